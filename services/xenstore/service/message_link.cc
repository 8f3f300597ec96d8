// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/service/message_link.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/kill_point.h"

namespace pyrene::xenstore {
namespace {

constexpr unsigned kBatch = 32;
constexpr std::string_view kOk{"OK\0", 3};
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

}  // namespace

MessageLink::~MessageLink() {
  if (connection_ != kNoConnection) server_.CloseService(connection_);
}

MessageLink::MessageLink(Server& server, proto::Channel channel, DomId guest)
    : server_(server), guest_(guest), channel_(std::move(channel)) {
  if (guest == 0) return;
  vmm_.emplace(guest, [this](const std::string& path) {
    std::string payload = path;
    payload.push_back('\0');
    return server_.HandleRequest(connection_, static_cast<uint32_t>(MessageType::kRead), 0, payload)
               .error != Error::kNoEntry;
  });
  AdoptVmm(guest);
}

bool MessageLink::Translate(proto::XenstoreRequest::Reader request, Call* call) {
  using Request = proto::XenstoreRequest;
  switch (request.which()) {
    case Request::DIRECTORY:
      *call = {MessageType::kDirectory, Terminated(request.getDirectory())};
      return true;
    case Request::DIRECTORY_PART:
      *call = {MessageType::kDirectoryPart, Terminated(request.getDirectoryPart().getPath()) +
                                                Number(request.getDirectoryPart().getOffset())};
      return true;
    case Request::READ:
      *call = {MessageType::kRead, Terminated(request.getRead())};
      return true;
    case Request::WRITE: {
      const auto value = request.getWrite().getValue().asChars();
      *call = {MessageType::kWrite, Terminated(request.getWrite().getPath())};
      call->payload.append(value.begin(), value.size());
      return true;
    }
    case Request::MKDIR:
      *call = {MessageType::kMkdir, Terminated(request.getMkdir())};
      return true;
    case Request::REMOVE:
      *call = {MessageType::kRm, Terminated(request.getRemove())};
      return true;
    case Request::GET_PERMISSIONS:
      *call = {MessageType::kGetPerms, Terminated(request.getGetPermissions())};
      return true;
    case Request::SET_PERMISSIONS:
      *call = {MessageType::kSetPerms, Terminated(request.getSetPermissions().getPath())};
      for (const auto permission : request.getSetPermissions().getPermissions())
        call->payload += Terminated(permission);
      return true;
    case Request::WATCH:
    case Request::UNWATCH: {
      const auto watch = request.isWatch() ? request.getWatch() : request.getUnwatch();
      *call = {request.isWatch() ? MessageType::kWatch : MessageType::kUnwatch,
               Terminated(watch.getPath()) + Terminated(watch.getToken())};
      return true;
    }
    case Request::RESET_WATCHES:
      *call = {MessageType::kResetWatches, std::string(1, '\0')};
      return true;
    case Request::TRANSACTION_START:
      *call = {MessageType::kTransactionStart, std::string(1, '\0')};
      return true;
    case Request::TRANSACTION_END:
      *call = {MessageType::kTransactionEnd,
               std::string(request.getTransactionEnd() ? "T" : "F", 2)};
      return true;
    case Request::GET_DOMAIN_PATH:
      *call = {MessageType::kGetDomainPath, Number(request.getGetDomainPath())};
      return true;
    case Request::IS_DOMAIN_INTRODUCED:
      *call = {MessageType::kIsDomainIntroduced, Number(request.getIsDomainIntroduced())};
      return true;
    case Request::INTRODUCE: {
      const auto introduce = request.getIntroduce();
      *call = {MessageType::kIntroduce, Number(introduce.getDomid()) + Number(introduce.getGfn()) +
                                            Number(introduce.getPort())};
      return true;
    }
    case Request::RELEASE:
      *call = {MessageType::kRelease, Number(request.getRelease())};
      return true;
    case Request::SET_TARGET:
      *call = {MessageType::kSetTarget, Number(request.getSetTarget().getDomid()) +
                                            Number(request.getSetTarget().getTarget())};
      return true;
    case Request::CONTROL:
      *call = {MessageType::kControl, Terminated(request.getControl())};
      return true;
    default:
      return false;
  }
}

void MessageLink::Handle(proto::XenstoreRequest::Reader request) {
  Out out{false, request.getId(), Error::kOk, {}, {}};
  bool already_so = false;
  Call call{};
  out.error = Allow(request, &already_so);
  if (vmm_.has_value() && vmm_->vm() != server_.VmmDirectory(guest_))
    server_.SetVmmDirectory(guest_, vmm_->vm());
  if (out.error != Error::kOk || already_so) {
    // Answered.
  } else if (request.isShutDown()) {
    out.error = server_.ShutDown(request.getShutDown());
  } else if (!Translate(request, &call)) {
    out.error = Error::kNoSys;
  } else {
    Reply reply = server_.HandleRequest(connection_, static_cast<uint32_t>(call.type),
                                        request.getTransaction(), call.payload);
    out.error = reply.error;
    // "OK" of the wire is the error field's zero here; numbers and the like lose their terminator.
    if (reply.error == Error::kOk && reply.payload != kOk) out.first = std::move(reply.payload);
    if (call.type == MessageType::kTransactionStart && !out.first.empty()) out.first.pop_back();
    // One that does not exist has not ended.
    if (request.isTransactionEnd() && vmm_.has_value() &&
        (reply.error == Error::kOk || reply.error == Error::kAgain))
      vmm_->TransactionEnded();
  }
  runtime::KillPoint("message.executed");
  out_.push_back(std::move(out));
}

bool MessageLink::Serve() {
  if (channel_.Update() != proto::Channel::State::kUp) return false;
  if (channel_.epoch() != epoch_) {
    // A new life of the client: what the old one had set up is gone.
    epoch_ = channel_.epoch();
    if (connection_ != kNoConnection) server_.CloseService(connection_);
    connection_ = server_.OpenService(
        {vmm_.has_value() ? proto::kVmmConnection : proto::kToolstackConnection, true});
    if (vmm_.has_value()) vmm_->ConnectionEnded();
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
  if (out_.empty()) return;
  server_.Sync();
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
  runtime::KillPoint("message.answered");
}

}  // namespace pyrene::xenstore
