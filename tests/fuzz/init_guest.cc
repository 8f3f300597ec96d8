// SPDX-License-Identifier: Apache-2.0
//
// What xl asks init for, and what a VMM tells of its guest: a configuration or a state is refused,
// or all that init relies on holds.
#include "proto/message.h"
#include "proto/toolstack.capnp.h"
#include "services/init/guest_check.h"
#include "tests/fuzz/peer.h"
#include "tests/fuzz/require.h"

PYRENE_FUZZ_MESSAGES(pyrene::proto::ToolstackRequest)

namespace {

using pyrene::fuzz::Require;

void CheckConfig(pyrene::proto::GuestConfig::Reader config) {
  if (!pyrene::init::CheckGuestConfig(config).ok()) return;
  Require(config.getUuid().size() == 16);
  Require(config.getKernel().size() != 0 && config.getKernel().size() <= 1023);
  Require(config.getCommandLine().size() <= 2047);
  Require(config.getMemoryKib() != 0 && config.getMemoryKib() % 1024 == 0 &&
          config.getMemoryKib() <= config.getMaxMemoryKib());
  Require(config.getVcpus() >= 1 && config.getVcpus() <= config.getMaxVcpus() &&
          config.getMaxVcpus() <= 8 && config.getCpus().size() <= 8 && config.getWeight() != 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  using namespace pyrene;
  for (const auto& message : proto::MessageMutator::Split(data, bytes)) {
    const auto words =
        kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size());
    static_cast<void>(proto::ReadMessage<proto::ToolstackRequest>(
        words, [](proto::ToolstackRequest::Reader request) {
          if (request.isCreateGuest()) CheckConfig(request.getCreateGuest());
          if (!request.isGuestControl() || !request.getGuestControl().isRename())
            return absl::OkStatus();
          const auto name = request.getGuestControl().getRename();
          if (init::CheckGuestName({name.begin(), name.size()}).ok())
            fuzz::Require(name.size() >= 1 && name.size() <= 64);
          return absl::OkStatus();
        }));
    // The same bytes as the message of another sender.
    static_cast<void>(
        proto::ReadMessage<proto::GuestState>(words, [](proto::GuestState::Reader state) {
          if (init::CheckGuestState(state).ok())
            fuzz::Require(state.getVcpus().size() <= 8 && state.getName().size() <= 64);
          return absl::OkStatus();
        }));
  }
  return 0;
}
