// SPDX-License-Identifier: Apache-2.0
// What of a MessageLink is a VMM's only: whether its authority allows a request.
#include <set>
#include <string>
#include <utility>

#include "services/xenstore/service/message_link.h"

namespace pyrene::xenstore {

void MessageLink::AdoptVmm(DomId guest) {
  vmm_->Adopt(server_.VmmDirectory(guest), {});
  std::set<std::string> nodes;
  for (const std::string& top : vmm_->Trees()) {
    const Node* const node = server_.store().tree().Find(top);
    if (node == nullptr) continue;
    ForEachNode(*node, top, [&](const Node& found, std::string_view path) {
      if (found.perms[0].domid != guest) nodes.emplace(path);
    });
  }
  vmm_->Adopt(server_.VmmDirectory(guest), std::move(nodes));
}

Error MessageLink::Allow(proto::XenstoreRequest::Reader request, bool* already_so) {
  using Request = proto::XenstoreRequest;
  if (!vmm_.has_value()) return Error::kOk;
  const auto text = [](capnp::Text::Reader path) { return std::string(path.begin(), path.size()); };
  const auto named = [this](DomId domid) {
    return vmm_->MayName(domid) ? Error::kOk : Error::kAccess;
  };
  switch (request.which()) {
    case Request::DIRECTORY:
      return vmm_->MayRead(text(request.getDirectory()));
    case Request::DIRECTORY_PART:
      return vmm_->MayRead(text(request.getDirectoryPart().getPath()));
    case Request::READ:
      return vmm_->MayRead(text(request.getRead()));
    case Request::GET_PERMISSIONS:
      return vmm_->MayRead(text(request.getGetPermissions()));
    case Request::WRITE: {
      const std::string path = text(request.getWrite().getPath());
      *already_so = VmmAuthority::IsShared(path);
      return *already_so ? Error::kOk : vmm_->MayMake(path, request.getWrite().getValue().size());
    }
    case Request::MKDIR:
      return vmm_->MayMake(text(request.getMkdir()), 0);
    case Request::REMOVE:
      return vmm_->MayRemove(text(request.getRemove()), request.getTransaction() != 0);
    case Request::SET_PERMISSIONS: {
      const std::string path = text(request.getSetPermissions().getPath());
      *already_so = VmmAuthority::IsShared(path);
      return *already_so ? Error::kOk : vmm_->MaySetPermissions(path);
    }
    case Request::TRANSACTION_START:
      return vmm_->MayStartTransaction();
    case Request::TRANSACTION_END:
      return Error::kOk;
    case Request::GET_DOMAIN_PATH:
      return named(request.getGetDomainPath());
    case Request::IS_DOMAIN_INTRODUCED:
      return named(request.getIsDomainIntroduced());
    case Request::INTRODUCE:
      return named(request.getIntroduce().getDomid());
    case Request::RELEASE:
      return named(request.getRelease());
    case Request::SHUT_DOWN:
      return named(request.getShutDown());
    case Request::WATCH:
      return vmm_->MayWatch(text(request.getWatch().getPath()));
    default:
      return Error::kAccess;
  }
}

}  // namespace pyrene::xenstore
