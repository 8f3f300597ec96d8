// SPDX-License-Identifier: Apache-2.0
//
// The whole of init on a played kernel, with a small manifest, and everybody at the other ends of
// its channels: they come up, take what they are offered, close what is revoked, and do what they
// are asked, as far as the target lets them. A target speaks for one of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "proto/guest.capnp.h"
#include "runtime/event_loop.h"
#include "services/init/file_loader.h"
#include "services/init/guests.h"
#include "services/init/host.h"
#include "services/init/supervisor.h"
#include "services/init/toolstack.h"
#include "services/init/zeroer.h"
#include "tests/fuzz/init/played_kernel.h"
#include "tests/fuzz/peer.h"

namespace pyrene::fuzz {

class InitWorld {
 public:
  using Message = proto::MessageMutator::Message;

  InitWorld();
  InitWorld(const InitWorld&) = delete;
  ~InitWorld();

  init::Guests& guests() { return *guests_; }
  init::Supervisor& supervisor() { return *supervisor_; }
  uint64_t FreePages() const { return ram_->free().free_pages(); }

  // One end of a service's channel with init. A connection that init broke, or that a restart of
  // the service ended, is made anew.
  PeerEnd& End(const std::string& service, const std::string& channel);
  // nullptr: the service does not run.
  PeerEnd* FindEnd(const std::string& service, const std::string& channel);
  // Tells init that the service has said something there.
  void Wake(const std::string& service);

  // xl asks; the answers are dropped. `fill` gets the message without its id.
  void Ask(const std::function<void(proto::ToolstackRequest::Builder)>& fill);
  // A guest that xl asks for by this name: one vCPU, a RAM disk.
  void CreateGuest(const std::string& name);
  // nullptr: there is no guest of that name.
  const init::Guest* Find(const std::string& name) const;
  // xl wants it paused or renamed, its vCPUs, affinity or schedule set, a disk of its "attach"ed or
  // "detach"ed, or all guests listed.
  void AskAbout(uint16_t domid, const std::string& what);

  // A service's life ends, as its threads do it.
  void EndService(const std::string& service, FaultKind kind, uint64_t status);

  // Init and all the others have their turns until nobody has anything to say.
  void Settle();

  // The end called `channel` of this service is the target's: nobody answers there.
  void Take(const std::string& service, const std::string& channel) {
    taken_ = service + "/" + channel;
  }
  // Each answer to xl's requests.
  void SetListener(std::function<void(proto::ToolstackReply::Reader)> listener) {
    listener_ = std::move(listener);
  }

  // All guests are destroyed by their domids; what they had must be free again then.
  void DestroyAllGuests();
  size_t objects() const { return PlayedKernel::Get().objects(); }

 private:
  struct Connection {
    uint32_t generation = 0;
    uint32_t epoch = 0;
    std::optional<PeerEnd> end;
  };

  bool PlayService(init::Service& service);
  bool PlayVmm(init::Service& vmm);
  bool PlayXl();
  bool IsTaken(const std::string& service, const std::string& channel) const {
    return taken_ == service + "/" + channel;
  }
  Connection& Connect(init::Service& service, const std::string& channel);
  template <typename Root, typename Fill>
  void Say(PeerEnd& end, Fill fill);

  // Before all else begins, and when all else is gone, so that an input leaves nothing behind.
  struct Machine {
    Machine() { PlayedKernel::Get().Reset(); }
    ~Machine() { PlayedKernel::Get().Reset(); }
  };

  const Machine machine_;
  BootInfo boot_ = {};
  std::optional<init::RamPool> ram_;
  std::optional<init::Resources> resources_;
  std::optional<init::Bundle> bundle_;
  std::unique_ptr<runtime::EventLoop> loop_;
  std::optional<init::World> world_;
  std::optional<init::Supervisor> supervisor_;
  std::optional<init::Zeroer> zeroer_;
  std::optional<init::Guests> guests_;
  std::optional<init::Host> host_;
  std::optional<init::Toolstack> toolstack_;
  std::optional<init::FileLoader> loader_;

  std::map<std::string, Connection> connections_;
  std::string taken_;
  std::function<void(proto::ToolstackReply::Reader)> listener_;
  proto::MessageBuilder builder_;
  uint32_t next_id_ = 0x8000'0000;  // of this world's own requests
};

}  // namespace pyrene::fuzz
