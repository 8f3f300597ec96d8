// SPDX-License-Identifier: Apache-2.0
//
// What init offers one service at run time (supervision.capnp, ChannelOffer), for all its lives: a
// new life is offered everything again. The states of an offer:
//
//   kWaiting --installed and told--> kOffered --channelTaken--> kTaken
//        any of them --Revoke--> kRevoking --told--> kRevoked --channelClosed--> gone
//   A restart of the service: kRevoking and kRevoked are gone, all others kWaiting.
//
// The service's ring may be full at any time: what could not be told is told by a later Pump.
// Capability indices are reused only when the service has said channelClosed, or began a new life.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kernel/abi/capability.h"
#include "proto/guest.capnp.h"
#include "runtime/start_info.h"

namespace pyrene::init {

struct ServiceOffer {
  std::string name;  // 1..18 bytes, unique in the book
  std::string peer;
  uint16_t peer_domid = 0;
  uint64_t schema_id = 0;
  bool is_server = false;
  unsigned bit = 0;
  CapIndex memory = kNullCap;  // init's own
  Rights memory_rights = 0;
  CapIndex wake = kNullCap;  // init's own notification of the peer, or kNullCap
  uint64_t wake_bits = 0;
  proto::Disk::Reader disk = {};  // of the guest's configuration, which lives as long as the offer
};

class OfferBook {
 public:
  // Each takes two indices.
  static constexpr size_t kMaxOffers = (kMaxCaps - kFirstOfferedCap) / 2;

  // What the book does to the service.
  class Port {
   public:
    virtual ~Port() = default;
    // Copies init's capability into the service's table; false: the index is taken.
    virtual bool Install(CapIndex index, CapIndex source, Rights rights, uint64_t badge) = 0;
    // False: no room in the ring, or not connected.
    virtual bool TellOffer(const ServiceOffer& offer, CapIndex memory, CapIndex wake) = 0;
    virtual bool TellRevoked(const std::string& name) = 0;
  };

  // False: the book is full, or the name is there.
  bool Add(ServiceOffer offer);
  void Revoke(absl::string_view name);
  bool Has(absl::string_view name) const { return Find(name) != nullptr; }
  // Whether this life of the service was told of it, and whether it has taken it.
  bool Told(absl::string_view name) const;
  bool IsTaken(absl::string_view name) const;

  // A new life of the service begins, with an empty table.
  void Restarted();
  // Installs and tells what waits.
  void Pump(Port& port);

  // Nothing waits to be told.
  bool AllTold() const;

  // What the service says; a name that it can not speak of is ignored. Closed: true if an offer is
  // gone now.
  void Taken(absl::string_view name);
  bool Closed(absl::string_view name);

  // For `ps -c`: what is installed at an index, or nullptr.
  const ServiceOffer* InstalledAt(CapIndex index, bool& is_memory) const;

 private:
  enum class State : uint8_t { kWaiting, kOffered, kTaken, kRevoking, kRevoked };
  struct Entry {
    ServiceOffer offer;
    State state = State::kWaiting;
    CapIndex memory = kNullCap;  // in the service's table; kNullCap: not installed
    CapIndex wake = kNullCap;
  };

  const Entry* Find(absl::string_view name) const;
  Entry* Find(absl::string_view name);
  CapIndex Install(Port& port, CapIndex source, Rights rights, uint64_t badge);
  bool Offer(Port& port, Entry& entry);
  void Release(CapIndex index);
  void Erase(const Entry* entry);

  std::vector<Entry> entries_;
  std::bitset<kMaxCaps> used_;  // indices of the service's table
};

}  // namespace pyrene::init
