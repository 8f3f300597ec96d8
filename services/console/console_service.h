// SPDX-License-Identifier: Apache-2.0
//
// The console service but for its main(): everybody it serves, and the rounds in which it does.
//
// Offers that it takes (proto/supervision.capnp): of each guest the PV console ring and the VMM's
// message channel, and VMMs' logs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/channel.h"
#include "services/console/journal.h"
#include "services/console/log_collector.h"
#include "services/console/log_store.h"
#include "services/console/multiplexer.h"
#include "services/console/serial_port.h"
#include "services/console/vmm_link.h"
#include "services/console/xl_link.h"
#include "services/init/client/supervision_client.h"

namespace pyrene::console {

class ConsoleService {
 public:
  // `xl` is the channel with xl; `read_offers` hands init's messages on to Offer and Revoke; `now`
  // as in Round.
  ConsoleService(Journal& journal, SerialPort& port, proto::Channel xl,
                 std::function<void()> read_offers, uint64_t now);

  LogCollector& logs() { return collector_; }
  // Somebody has written to his log ring.
  void LogSignalled() { log_signalled_ = true; }

  // The offer's capabilities are this object's from now on, also after an error.
  absl::Status Offer(const init::Offer& offer);
  // Forgets the offer of that name, if there is one, and deletes its capabilities.
  void Revoke(const std::string& name, uint64_t now);

  // Everything that there is to do, bounded; `now` in nanoseconds. True: there may be more, so
  // again after a look at other events.
  bool Round(uint64_t now);
  // When Round is to be called without an event.
  uint64_t Deadline(uint64_t now) const;

 private:
  enum class Kind : uint8_t { kRing, kChannel, kLog };
  struct Taken {
    Kind kind;
    uint16_t domid;
    std::string peer;
    runtime::OwnedHandle memory;
  };
  struct Guest {
    GuestConsole* console;
    std::optional<VmmLink> link;
  };

  bool ServeGuest(Guest& guest);
  Guest& FindOrAdd(uint16_t domid);
  void Tick(uint64_t now);
  // Without xl, somebody has to see why.
  void ShowTroubles();

  LogStore log_;
  LogCollector collector_;
  Multiplexer multiplexer_;
  XlLink xl_;
  std::map<std::string, Taken> taken_;
  std::map<uint16_t, Guest> guests_;
  uint64_t started_;
  uint64_t next_tick_;
  uint64_t xl_seen_;
  bool adopting_ = true;
  uint64_t shown_;  // of the log
  bool log_signalled_ = true;
};

}  // namespace pyrene::console
