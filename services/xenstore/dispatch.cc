// SPDX-License-Identifier: Apache-2.0
//
// From a request's type and payload to the function that executes it.
#include "services/xenstore/request.h"

namespace pyrene::xenstore {

std::vector<std::string_view> SplitStrings(std::string_view payload) {
  std::vector<std::string_view> strings;
  if (payload.empty() || payload.back() != '\0') return strings;
  while (!payload.empty()) {
    size_t end = payload.find('\0');
    strings.push_back(payload.substr(0, end));
    payload.remove_prefix(end + 1);
  }
  return strings;
}

const Server::Operation* Server::FindOperation(uint32_t type) {
  using O = Operation;
  constexpr uint8_t kToolstack = O::kPrivileged | O::kNoTransaction;
  // Indexed by message type; types without a handler answer ENOSYS.
  static constexpr Operation kOperations[kMessageTypes] = {
      /*  0 */ {&Server::Control, kToolstack},
      /*  1 */ {&Server::Directory, O::kPath | O::kAlone},
      /*  2 */ {&Server::Read, O::kPath | O::kAlone},
      /*  3 */ {&Server::GetPerms, O::kPath | O::kSpecial | O::kAlone},
      /*  4 */ {&Server::AddWatch, O::kPath | O::kSpecial | O::kNoTransaction},
      /*  5 */ {&Server::RemoveWatch, O::kPath | O::kSpecial | O::kNoTransaction},
      /*  6 */ {&Server::StartTransaction, O::kNoTransaction},
      /*  7 */ {&Server::EndTransaction},
      /*  8 */ {&Server::IntroduceDomain, kToolstack | O::kDomId},
      /*  9 */ {&Server::ReleaseDomain, kToolstack | O::kDomId | O::kAlone},
      /* 10 */ {&Server::GetDomainPath, O::kNoTransaction},
      /* 11 */ {&Server::Write, O::kPath},
      /* 12 */ {&Server::Mkdir, O::kPath | O::kAlone},
      /* 13 */ {&Server::Rm, O::kPath | O::kAlone},
      /* 14 */ {&Server::SetPerms, O::kPath | O::kSpecial},
      /* 15 */ {},
      /* 16 */ {},
      /* 17 */ {&Server::IsDomainIntroduced, kToolstack | O::kDomId | O::kAlone},
      /* 18 */ {&Server::Resume, kToolstack | O::kDomId | O::kAlone},
      /* 19 */ {&Server::SetTarget, kToolstack | O::kDomId},
      /* 20 */ {},
      /* 21 */ {&Server::ResetWatches, O::kNoTransaction},
      /* 22 */ {&Server::DirectoryPart, O::kPath},
      /* 23 */ {&Server::GetFeature, O::kNoTransaction},
      /* 24 */ {},
      /* 25 */ {},
      /* 26 */ {},
  };
  return type < kMessageTypes && kOperations[type].handler != nullptr ? &kOperations[type]
                                                                      : nullptr;
}

Reply Server::Execute(Connection* connection, uint32_t type, uint32_t transaction,
                      std::string_view payload) {
  Request request;
  request.connection = connection;
  request.caller = CallerOf(*connection);
  request.quota = &QuotaOf(request.caller.domid);
  if (request.caller.privileged) request.room = Room();
  request.transaction_id = transaction;
  request.rest = payload;
  const Operation* operation = FindOperation(type);
  Error error = operation == nullptr ? Error::kNoSys : Prepare(*operation, &request);
  if (error == Error::kOk) {
    error = (this->*operation->handler)(request);
    if (request.transaction != nullptr) Recharge(*connection, request.transaction);
    if (error == Error::kOk && request.reply.size() > kMaxPayload) error = Error::kTooBig;
  }
  if (error == Error::kOk) return {error, std::move(request.reply)};
  return {error, TextReply(std::string(ErrorName(error)))};
}

Error Server::Prepare(const Operation& operation, Request* request) {
  if (request->rest.size() > kMaxPayload) return Error::kInvalid;
  if ((operation.flags & Operation::kPrivileged) && !request->caller.privileged) {
    return Error::kAccess;
  }
  if (request->transaction_id != 0 && !(operation.flags & Operation::kNoTransaction)) {
    auto found = request->connection->transactions.find(request->transaction_id);
    if (found == request->connection->transactions.end()) return Error::kNoEntry;
    request->transaction = &found->second;
  }
  if (!(operation.flags & (Operation::kPath | Operation::kDomId))) return Error::kOk;
  size_t end = request->rest.find('\0');
  if (end == std::string_view::npos) return Error::kInvalid;
  std::string_view first = request->rest.substr(0, end);
  request->rest.remove_prefix(end + 1);
  if ((operation.flags & Operation::kAlone) && !request->rest.empty()) return Error::kInvalid;
  if (operation.flags & Operation::kDomId) {
    std::optional<DomId> domid = ParseDomId(first);
    request->domid = domid.value_or(kNobody);
    return domid ? Error::kOk : Error::kInvalid;
  }
  if ((operation.flags & Operation::kSpecial) && IsSpecial(first)) {
    request->path.assign(first);
    return Error::kOk;
  }
  if (!first.empty() && first.front() != '/') {
    request->relative_length = static_cast<uint32_t>(first.size());
  }
  return Canonicalize(first, request->caller.domid, &request->path);
}

}  // namespace pyrene::xenstore
