// SPDX-License-Identifier: Apache-2.0
//
// Starts the manifest's services and keeps them alive: by fault, exit and heartbeat, with back-off.
// Makes their channels, and offers channels at run time (the name service). Nothing here waits for
// another domain.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/manifest.capnp.h"
#include "services/init/link.h"
#include "services/init/resources.h"
#include "services/init/service.h"

namespace pyrene::init {

class Supervisor {
 public:
  // Guests hang on services that are not theirs, and their VMMs are services.
  struct Hooks {
    // `service` is about to begin another life: channels with it need a new epoch.
    std::function<void(Service&)> restarting;
    // A service whose policy is `never` ended; it is not started again.
    std::function<void(Service&, const std::string& reason)> stopped;
    // A service closed an offer, or lost its offers by a new life.
    std::function<void()> offers_changed;
    // A service that is not in the manifest's list was woken for, or has woken init.
    std::function<void(Service&)> woken;
  };

  Supervisor(World& world, Resources& resources, proto::Manifest::Reader manifest,
             CapIndex init_log);
  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }

  // All services. An error is for Halt.
  absl::Status Start();

  // What a writer of a log ring signals: the console's bit; source kNullCap if there is no console.
  Grant LogSignal() const;

  // Init's end of a manifest channel. Its bit there is that of init's notification.
  absl::StatusOr<proto::Channel> OpenOwnEnd(absl::string_view channel);

  // A service that is not in the manifest's list: a VMM. It is launched by Launch.
  absl::StatusOr<Service*> Add(std::string name, proto::Service::Reader spec);
  absl::Status Launch(Service& service, std::vector<Grant> grants);
  // Ends it for good; not to be called by one of its callbacks or hooks.
  void Remove(Service& service);

  // The operator's: the present life ends, the next begins at once. False: it can not be killed
  // now.
  bool Kill(Service& service);
  // The same, also for one that waits for its next life, which finds the argument --repair: it
  // leaves out what is damaged of its journal.
  bool Repair(Service& service);
  void DestroyAll();

  Service* Find(absl::string_view name);
  // Of a manifest channel. nullptr: there is none, or it is init.
  const Service* ServerOf(absl::string_view channel) const;
  // Of RAM, for the channels between services.
  uint64_t OwnPages() const;
  // In the order of their start.
  std::vector<Service*> services();

 private:
  struct Slot {
    std::unique_ptr<Service> service;
    runtime::EventLoop::TimerId timer = 0;
    bool listed = false;  // in the manifest
  };
  struct ManifestChannel {
    proto::ChannelSpec::Reader spec;
    Link link;
    Service* client = nullptr;  // nullptr: init, as
    Service* server = nullptr;  // here; never both
  };
  struct Connection {
    std::string name;
    Link link;
    Service* client;
    Service* server;
  };

  Slot* SlotOf(const Service& service);
  Service::Callbacks MakeCallbacks();
  unsigned NextBit();
  void OnBit(unsigned bit);
  absl::Status MakeChannels();
  absl::StatusOr<std::vector<Grant>> GrantsOf(Service& service);
  void AddEnd(const ManifestChannel& channel, const Service& service,
              std::vector<Grant>& grants) const;
  absl::Status LaunchListed(Service& service);
  void Relaunch(Service& service);
  void Ended(Service& service, const std::string& reason);
  void ArmHeartbeat(Service& service);
  void Connect(Service& client, proto::Connect::Reader request);
  absl::Status MakeConnection(Service& client, Service& server, proto::Connect::Reader request);
  // Connections of a client that is gone are revoked, and those that nobody has any more are
  // dropped.
  void ForgetClient(const Service& service);
  void CheckConnections();

  World& world_;
  Resources& resources_;
  const proto::Manifest::Reader manifest_;
  const CapIndex init_log_;
  Hooks hooks_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::unique_ptr<ManifestChannel>> channels_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Service* log_reader_ = nullptr;
  uint32_t next_connection_ = 1;
  unsigned next_bit_ = 0;
};

}  // namespace pyrene::init
