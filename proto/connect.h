// SPDX-License-Identifier: Apache-2.0
//
// Opening a channel by the name that it has in the manifest, or by init's offer.
#pragma once

#include <capnp/schema.h>

#include <string>

#include "absl/status/statusor.h"
#include "proto/channel.h"

namespace pyrene::proto {

// What both ends of a channel compare: the type of its client's messages.
template <typename ClientRoot>
constexpr uint64_t SchemaId() {
  return capnp::typeId<ClientRoot>();
}

struct NamedChannel {
  Channel channel;
  unsigned bit;  // of this service's notification: what the peer signals
};

// The capabilities NAME and NAME.peer of this service. They are the channel's from now on: a name
// is opened once. NotFound: the manifest gives this service no such channel. The first Update
// connects.
absl::StatusOr<NamedChannel> OpenChannel(const std::string& name, Side side, uint64_t schema_id);

// From capability indices, as in ChannelOffer: `wake_peer` is the channel's from now on, `memory`
// stays the caller's and must live as long as the channel.
absl::StatusOr<Channel> OpenChannel(const std::string& name, Side side, uint64_t schema_id,
                                    runtime::Handle memory, runtime::Handle wake_peer);

}  // namespace pyrene::proto
