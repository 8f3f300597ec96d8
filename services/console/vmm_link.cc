// SPDX-License-Identifier: Apache-2.0
#include "services/console/vmm_link.h"

#include "absl/strings/str_cat.h"

namespace pyrene::console {
namespace {

constexpr unsigned kBatch = 16;
constexpr size_t kMaxText = 4096;

}  // namespace

VmmLink::Left VmmLink::Serve(GuestConsole& guest, bool attached) {
  if (channel_.Update() != proto::Channel::State::kUp) return Left::kNothing;
  if (channel_.epoch() != epoch_) {
    epoch_ = channel_.epoch();
    taken_ = 0;
  }
  Left left = Left::kMore;
  for (unsigned i = 0; i < kBatch && left == Left::kMore; ++i) {
    if (!guest.HasRoomForText(attached)) {
      left = Left::kBlocked;
    } else if (!channel_.Receive<proto::ConsoleRequest>(
                   1, [&](auto request) { return Handle(request, guest); })) {
      left = Left::kNothing;
    }
  }
  Answer();
  channel_.Flush();
  return left;
}

absl::Status VmmLink::Handle(proto::ConsoleRequest::Reader request, GuestConsole& guest) {
  switch (request.which()) {
    case proto::ConsoleRequest::GUEST_TEXT: {
      const auto text = request.getGuestText().asChars();
      if (text.size() == 0 || text.size() > kMaxText) {
        return absl::InvalidArgumentError(absl::StrCat("guestText of ", text.size(), " bytes"));
      }
      guest.AddText(request.getId(), {text.begin(), text.size()});
      break;
    }
    case proto::ConsoleRequest::GUEST_STARTED:
      guest.Started();
      break;
    case proto::ConsoleRequest::GUEST_STOPPED:
      guest.Stopped();
      break;
    default:
      return absl::InvalidArgumentError("a request that is not a VMM's");
  }
  if (request.getId() != 0) taken_ = request.getId();
  return absl::OkStatus();
}

void VmmLink::Answer() {
  if (taken_ == 0) return;
  auto event = builder_.Start<proto::ConsoleEvent>();
  event.setId(taken_);
  event.setTaken();
  // No room: the VMM has answers to read, and signals when it has.
  if (channel_.Send(builder_).ok()) taken_ = 0;
}

}  // namespace pyrene::console
