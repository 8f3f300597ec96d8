// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/service/message_link.h"

#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pyrene::xenstore {
namespace {

constexpr unsigned kBatch = 32;
// Connections of services have numbers that no guest has.
constexpr DomId kToolstack = 0x7fe0;
constexpr DomId kVmm = 0x7fe1;
// Where the console service's back-end directory of a guest lies (its domid is fixed, 0x7fee).
constexpr char kConsoleBackend[] = "/local/domain/32750/backend/console/";

std::string Terminated(capnp::Text::Reader text) {
  std::string result(text.begin(), text.size());
  result.push_back('\0');
  return result;
}

std::string Number(uint64_t value) {
  std::string result = absl::StrCat(value);
  result.push_back('\0');
  return result;
}

bool Below(const std::string& path, const std::string& top) {
  return path == top ||
         (absl::StartsWith(path, top) && path.size() > top.size() && path[top.size()] == '/');
}

}  // namespace

MessageLink::~MessageLink() {
  if (connection_ != kNoConnection) server_.CloseService(connection_);
}

bool MessageLink::MayTouch(const std::string& path) {
  if (guest_ == 0) return true;
  const std::string id = absl::StrCat(guest_);
  if (Below(path, "/local/domain/" + id) || Below(path, "/libxl/" + id) ||
      Below(path, kConsoleBackend + id))
    return true;
  // What leads there is written too, with the value it has: libxl's list names every directory.
  for (const char* top : {"/local", "/local/domain", "/vm", "/libxl", "/local/domain/32750",
                          "/local/domain/32750/backend", "/local/domain/32750/backend/console"}) {
    if (path == top) return true;
  }
  if (!absl::StartsWith(path, "/vm/")) return false;
  const std::string vm = path.substr(0, path.find('/', 4));
  if (vms_.contains(vm)) return true;
  // A VMM may make a new one, never take another's.
  std::string payload = vm;
  payload.push_back('\0');
  if (server_.HandleRequest(connection_, static_cast<uint32_t>(MessageType::kRead), 0, payload)
          .error != Error::kNoEntry)
    return false;
  vms_.insert(vm);
  return true;
}

Error MessageLink::Translate(proto::XenstoreRequest::Reader request, Call* call) {
  using Request = proto::XenstoreRequest;
  const auto path_call = [this, call](MessageType type, capnp::Text::Reader path) {
    call->type = type;
    call->payload = Terminated(path);
    return MayTouch(std::string(path.begin(), path.size())) ? Error::kOk : Error::kAccess;
  };
  const auto domid_call = [this, call](MessageType type, uint16_t domid) {
    call->type = type;
    call->payload = Number(domid);
    return MayName(domid) ? Error::kOk : Error::kAccess;
  };
  switch (request.which()) {
    case Request::DIRECTORY:
      return path_call(MessageType::kDirectory, request.getDirectory());
    case Request::DIRECTORY_PART: {
      const Error error =
          path_call(MessageType::kDirectoryPart, request.getDirectoryPart().getPath());
      call->payload += Number(request.getDirectoryPart().getOffset());
      return error;
    }
    case Request::READ:
      return path_call(MessageType::kRead, request.getRead());
    case Request::WRITE: {
      const Error error = path_call(MessageType::kWrite, request.getWrite().getPath());
      const auto value = request.getWrite().getValue().asChars();
      call->payload.append(value.begin(), value.size());
      return error;
    }
    case Request::MKDIR:
      return path_call(MessageType::kMkdir, request.getMkdir());
    case Request::REMOVE:
      return path_call(MessageType::kRm, request.getRemove());
    case Request::GET_PERMISSIONS:
      return path_call(MessageType::kGetPerms, request.getGetPermissions());
    case Request::SET_PERMISSIONS: {
      const Error error = path_call(MessageType::kSetPerms, request.getSetPermissions().getPath());
      for (const auto permission : request.getSetPermissions().getPermissions())
        call->payload += Terminated(permission);
      return error;
    }
    case Request::WATCH:
    case Request::UNWATCH: {
      const auto watch = request.isWatch() ? request.getWatch() : request.getUnwatch();
      const Error error = path_call(request.isWatch() ? MessageType::kWatch : MessageType::kUnwatch,
                                    watch.getPath());
      call->payload += Terminated(watch.getToken());
      return error;
    }
    case Request::RESET_WATCHES:
      *call = {MessageType::kResetWatches, std::string(1, '\0')};
      return Error::kOk;
    case Request::TRANSACTION_START:
      *call = {MessageType::kTransactionStart, std::string(1, '\0')};
      return Error::kOk;
    case Request::TRANSACTION_END:
      *call = {MessageType::kTransactionEnd,
               std::string(request.getTransactionEnd() ? "T" : "F", 2)};
      return Error::kOk;
    case Request::GET_DOMAIN_PATH:
      return domid_call(MessageType::kGetDomainPath, request.getGetDomainPath());
    case Request::IS_DOMAIN_INTRODUCED:
      return domid_call(MessageType::kIsDomainIntroduced, request.getIsDomainIntroduced());
    case Request::INTRODUCE: {
      const auto introduce = request.getIntroduce();
      const Error error = domid_call(MessageType::kIntroduce, introduce.getDomid());
      call->payload += Number(introduce.getGfn()) + Number(introduce.getPort());
      return error;
    }
    case Request::RELEASE:
      return domid_call(MessageType::kRelease, request.getRelease());
    case Request::SET_TARGET: {
      const Error error = domid_call(MessageType::kSetTarget, request.getSetTarget().getDomid());
      call->payload += Number(request.getSetTarget().getTarget());
      return guest_ != 0 ? Error::kAccess : error;
    }
    case Request::CONTROL:
      *call = {MessageType::kControl, Terminated(request.getControl())};
      return guest_ != 0 ? Error::kAccess : Error::kOk;
    default:
      return Error::kNoSys;
  }
}

void MessageLink::Handle(proto::XenstoreRequest::Reader request) {
  Out out{false, request.getId(), Error::kOk, {}, {}};
  if (request.isShutDown()) {
    out.error =
        MayName(request.getShutDown()) ? server_.ShutDown(request.getShutDown()) : Error::kAccess;
  } else {
    Call call{};
    out.error = Translate(request, &call);
    if (out.error == Error::kOk) {
      Reply reply = server_.HandleRequest(connection_, static_cast<uint32_t>(call.type),
                                          request.getTransaction(), call.payload);
      out.error = reply.error;
      // "OK" of the wire is the error field's zero here; numbers and the like lose their
      // terminator.
      if (reply.error == Error::kOk && reply.payload != std::string("OK", 3))
        out.first = std::move(reply.payload);
      if (call.type == MessageType::kTransactionStart && !out.first.empty()) out.first.pop_back();
    }
  }
  out_.push_back(std::move(out));
}

bool MessageLink::Serve() {
  if (channel_.Update() != proto::Channel::State::kUp) return false;
  if (channel_.epoch() != epoch_) {
    // A new life of the client: what the old one had set up is gone.
    epoch_ = channel_.epoch();
    if (connection_ != kNoConnection) server_.CloseService(connection_);
    connection_ = server_.OpenService({guest_ == 0 ? kToolstack : kVmm, true});
    out_.clear();
  }
  bool more = false;
  if (out_.size() < kMaxWaiting) {
    more = channel_.Receive<proto::XenstoreRequest>(kBatch, [this](auto request) {
      Handle(request);
      return absl::OkStatus();
    });
  }
  while (out_.size() < 2 * kMaxWaiting) {
    const std::optional<Server::Event> event = server_.NextEvent(connection_);
    if (!event.has_value()) break;
    out_.push_back({true, 0, Error::kOk, event->path, event->token});
  }
  Send();
  channel_.Flush();
  return more;
}

void MessageLink::Send() {
  while (!out_.empty()) {
    const Out& out = out_.front();
    auto reply = builder_.Start<proto::XenstoreReply>();
    if (out.event) {
      auto event = reply.initEvent();
      event.setPath(out.first);
      event.setToken(out.second);
    } else {
      auto done = reply.initDone();
      done.setId(out.id);
      done.setError(static_cast<proto::XenstoreError>(out.error));  // the same order
      done.setValue({reinterpret_cast<const kj::byte*>(out.first.data()), out.first.size()});
    }
    if (!channel_.Send(builder_).ok()) return;  // the client signals when there is room
    out_.pop_front();
  }
}

}  // namespace pyrene::xenstore
