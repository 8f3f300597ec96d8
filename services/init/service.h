// SPDX-License-Identifier: Apache-2.0
//
// A supervised service over all its lives: what init keeps for it (notification, log ring, memory,
// the channel `init`), its present life, and what is known about its health.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "proto/channel.h"
#include "proto/manifest.capnp.h"
#include "proto/supervision.capnp.h"
#include "runtime/event_loop.h"
#include "services/init/bundle.h"
#include "services/init/link.h"
#include "services/init/live_domain.h"
#include "services/init/offer_book.h"
#include "services/init/ram.h"
#include "services/init/restart_policy.h"

namespace pyrene::init {

// What all services are made from.
struct World {
  RamPool& ram;
  const Bundle& bundle;
  runtime::EventLoop& loop;
  uint32_t cpus;
  uint64_t counter_frequency;
  int64_t realtime_offset_ns = 0;
};

class Service final : private OfferBook::Port {
 public:
  enum class Phase : uint8_t { kStarting, kRunning, kWaiting, kStopped };

  // What only the supervisor can decide; called from OnWake.
  struct Callbacks {
    // The life is over: `reason` is a sentence for the log.
    std::function<void(Service&, const std::string& reason)> ended;
    std::function<void(Service&, proto::Connect::Reader)> connect;
    // It took or closed an offer.
    std::function<void(Service&)> answered;
    // heartbeat().due() is earlier than it was.
    std::function<void(Service&)> ready;
  };

  // `bit` of init's notification is what the service and its end signal.
  Service(World& world, std::string name, proto::Service::Reader spec, unsigned bit,
          Callbacks callbacks);

  // Makes what outlives the lives. The error names the service.
  absl::Status Prepare();
  // Begins a life: the next generation. `log_signal.source` may be kNullCap.
  absl::Status Launch(absl::Span<const Grant> grants, const Grant& log_signal);
  // Ends the life, if there is one: no further instruction of it runs.
  void Destroy();
  // Destroys it for good: its private memory comes back, its log stays.
  void Retire();
  // Whether the last end was an exit with status 0.
  bool ended_well() const { return ended_well_; }
  // Whether it was one with kExitNeedsRepair.
  bool needs_repair() const { return needs_repair_; }

  // Its bit was signalled: looks for its end, and takes messages.
  void OnWake();
  // OnWake is to come again: after a pause, because nobody's messages may keep init, which outranks
  // all, busy.
  void WakeLater();
  // Sends what waits for room: offers, revocations, a ping, the clock.
  void Pump();
  // The name service's answer; dropped if there is no room.
  void RefuseConnect(const std::string& service, const std::string& reason);
  // The wall clock was set.
  void SetClock();
  // At heartbeat().due(). False: it has not answered in time, though it had the CPU or slept.
  bool Beat();

  const std::string& name() const { return name_; }
  proto::Service::Reader spec() const { return spec_; }
  unsigned bit() const { return bit_; }
  Phase phase() const { return phase_; }
  void set_phase(Phase phase) { phase_ = phase; }
  uint32_t generation() const { return generation_; }
  uint64_t launched_at() const { return launched_at_; }
  Backoff& backoff() { return backoff_; }
  const Heartbeat& heartbeat() const { return heartbeat_; }
  OfferBook& offers() { return offers_; }
  const Program& program() const { return program_; }
  uint8_t cpu() const { return cpu_; }
  // For the next life.
  void set_cpu(uint8_t cpu) { cpu_ = cpu; }
  void set_repair() { repair_ = true; }
  void set_quota_pages(uint64_t pages) { quota_pages_ = pages; }
  uint64_t quota_pages() const { return quota_pages_; }
  // Notification that the service waits on.
  CapIndex events() const { return events_.cap(); }
  const Ram& log() const { return log_; }
  // The present life's; nullptr without one.
  const LiveDomain* live() const { return live_.has_value() ? &*live_ : nullptr; }

  // Pages that only this service needs, with what the kernel keeps for it.
  uint64_t Pages() const;
  // Of all lives.
  uint64_t CpuTicks() const;

 private:
  bool Install(CapIndex index, CapIndex source, Rights rights, uint64_t badge) override;
  bool TellOffer(const ServiceOffer& offer, CapIndex memory, CapIndex wake) override;
  bool TellRevoked(const std::string& name) override;

  // What the fault or exit was, if there was one.
  std::optional<std::string> TakeEnd();
  absl::Status Handle(proto::SupervisionRequest::Reader request);
  bool Send();

  World& world_;
  const std::string name_;
  const proto::Service::Reader spec_;
  const unsigned bit_;
  Callbacks callbacks_;

  Program program_;
  uint64_t quota_pages_;
  uint8_t cpu_ = 0;
  bool repair_ = false;
  Object events_;
  Ram log_;
  Ram memory_;
  Link control_memory_;
  std::optional<proto::Channel> control_;
  proto::MessageBuilder builder_;

  std::optional<LiveDomain> live_;
  Phase phase_ = Phase::kWaiting;
  uint32_t generation_ = 0;
  uint64_t launched_at_ = 0;
  uint64_t past_cpu_ticks_ = 0;
  bool ended_well_ = false;
  bool needs_repair_ = false;
  std::string last_words_;  // of `failed`
  Backoff backoff_;
  Heartbeat heartbeat_;
  bool ping_waits_ = false;
  bool clock_waits_ = false;
  bool offers_told_waits_ = false;
  uint64_t ticks_at_ping_ = 0;
  OfferBook offers_;
};

}  // namespace pyrene::init
