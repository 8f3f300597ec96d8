// SPDX-License-Identifier: Apache-2.0
//
// Requests about nodes (ABI 5.2).
#include <algorithm>

#include "services/xenstore/request.h"

namespace pyrene::xenstore {

Error Server::Directory(Request& request) {
  const Node* node = nullptr;
  Error error =
      request.MakeView(&store_).Open(request.path, kRead, kTouchContent | kTouchListing, &node);
  if (error != Error::kOk) return error;
  request.reply.clear();
  for (const Child& child : node->children) {
    request.reply.append(child.node->name).push_back('\0');
    if (request.reply.size() > kMaxPayload) return Error::kTooBig;
  }
  return Error::kOk;
}

Error Server::DirectoryPart(Request& request) {
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  if (strings.size() != 1) return Error::kInvalid;
  std::optional<uint64_t> offset = ParseNumber(strings[0]);
  if (!offset) return Error::kInvalid;
  const Node* node = nullptr;
  Error error =
      request.MakeView(&store_).Open(request.path, kRead, kTouchContent | kTouchListing, &node);
  if (error != Error::kOk) return error;
  // The generation tells a client that the list has changed between two parts, so that it starts
  // over.
  request.reply = TextReply(std::to_string(node->listing.generation));
  uint64_t skip = *offset;
  for (const Child& child : node->children) {
    std::string_view name = child.node->name;
    if (skip > name.size()) {
      skip -= name.size() + 1;
      continue;
    }
    name.remove_prefix(std::exchange(skip, 0));
    if (request.reply.size() + name.size() + 2 > kMaxPayload) return Error::kOk;
    request.reply.append(name).push_back('\0');
  }
  request.reply.push_back('\0');  // this was the last part
  return Error::kOk;
}

Error Server::Read(Request& request) {
  const Node* node = nullptr;
  Error error = request.MakeView(&store_).Open(request.path, kRead, kTouchContent, &node);
  if (error == Error::kOk) request.reply = node->value;
  return error;
}

Error Server::Write(Request& request) {
  return request.MakeView(&store_).Write(request.path, request.rest);
}

Error Server::Mkdir(Request& request) {
  return request.MakeView(&store_).MakeDirectory(request.path);
}

Error Server::Rm(Request& request) { return request.MakeView(&store_).Remove(request.path); }

Error Server::GetPerms(Request& request) {
  if (IsSpecial(request.path)) {
    const Perms& perms = special_perms_.find(request.path)->second;
    if (!(AccessOf(perms, request.caller) & kRead)) return Error::kAccess;
    request.reply = FormatPerms(perms);
    return Error::kOk;
  }
  const Node* node = nullptr;
  Error error = request.MakeView(&store_).Open(request.path, kRead, kTouchContent, &node);
  if (error == Error::kOk) request.reply = FormatPerms(node->perms);
  return error;
}

Error Server::SetPerms(Request& request) {
  Perms perms;
  for (std::string_view text : SplitStrings(request.rest)) {
    Perm perm;
    if (!ParsePerm(text, &perm)) return Error::kInvalid;
    perms.push_back(perm);
  }
  if (perms.empty()) return Error::kInvalid;
  if (perms.size() > kMaxPermissions) return Error::kNoSpace;
  if (IsSpecial(request.path)) {
    if (!request.caller.privileged) return Error::kAccess;
    SetSpecialPerms(request.path, perms);
    return Error::kOk;
  }
  if (!request.caller.privileged) {
    if (perms.size() > request.quota->permissions) return Error::kNoSpace;
    // An entry for a domain that does not exist gives nothing, not even to a later domain with that
    // id. Id 0 is nobody's, ever: guests' tools name it, and find it again.
    perms.erase(std::remove_if(perms.begin() + 1, perms.end(),
                               [this](const Perm& perm) {
                                 return perm.domid != kNobody && !IsKnown(perm.domid);
                               }),
                perms.end());
  }
  return request.MakeView(&store_).SetPerms(request.path, perms);
}

void Server::SetSpecialPerms(std::string_view path, const Perms& perms) {
  special_perms_.find(path)->second = perms;
  observer_->OnSpecialPerms(path, perms);
}

}  // namespace pyrene::xenstore
