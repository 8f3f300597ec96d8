// SPDX-License-Identifier: Apache-2.0
//
// `ps` and `ps -c`.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/kernel/syscall.h"
#include "runtime/time_math.h"
#include "services/init/held_capabilities.h"
#include "services/init/toolstack.h"

namespace pyrene::init {
namespace {

constexpr size_t kServicesPerMessage = 8;
constexpr size_t kCapabilitiesPerMessage = 80;

proto::ServicePhase PhaseOf(const Service& service) {
  switch (service.phase()) {
    case Service::Phase::kStarting:
      return proto::ServicePhase::STARTING;
    case Service::Phase::kRunning:
      return proto::ServicePhase::RUNNING;
    case Service::Phase::kWaiting:
      return proto::ServicePhase::WAITING;
    case Service::Phase::kStopped:
      return proto::ServicePhase::STOPPED;
  }
  return proto::ServicePhase::STOPPED;
}

void Describe(const Service& service, uint64_t frequency, proto::ServiceState::Builder state) {
  state.setName(service.name().c_str());
  state.setState(PhaseOf(service));
  state.setGeneration(service.generation());
  state.setMemoryKib(service.Pages() * 4);
  state.setCpuTimeNs(TicksToNanoseconds(service.CpuTicks(), frequency));
  state.setCpu(service.cpu());
  state.setPriority(service.spec().getPriority());
}

void DescribeInit(const BootInfo& boot, uint64_t pages, proto::ServiceState::Builder state) {
  const sys::Account account = sys::DomainAccount(kSelfDomainCap);
  const uint64_t kernel = account.status == Status::kOk ? account.used_pages : 0;
  state.setName("init");
  state.setState(proto::ServicePhase::RUNNING);
  state.setGeneration(1);
  state.setMemoryKib((boot.heap_bytes + boot.stack_bytes) / 1024 + (pages + kernel) * 4);
  state.setCpuTimeNs(TicksToNanoseconds(account.cpu_ticks, boot.counter_frequency));
  state.setPriority(kPriorities - 1);
}

}  // namespace

void Toolstack::ListServices(uint32_t id, proto::ServiceQuery::Reader query) {
  const std::string only = query.getName().cStr();
  // Names, because services may come and go while the answer waits for room.
  std::vector<std::string> names;
  // With capabilities all but init, who has everything, unless it is asked for by name.
  if (only == "init" || (only.empty() && !query.getCapabilities())) names.emplace_back("init");
  for (const Service* service : supervisor_.services()) {
    if (only.empty() || service->name() == only) names.push_back(service->name());
  }
  if (names.empty())
    return Fail(id, absl::NotFoundError(absl::StrCat("there is no service ", only.substr(0, 64))));
  const bool with_capabilities = query.getCapabilities();
  const auto describe = [this](const std::string& name, proto::ServiceState::Builder state) {
    if (name == "init") {
      DescribeInit(host_.boot(), supervisor_.OwnPages(), state);
    } else if (const Service* service = supervisor_.Find(name); service != nullptr) {
      Describe(*service, world_.counter_frequency, state);
    } else {
      state.setName(name.c_str());
      state.setState(proto::ServicePhase::STOPPED);
    }
  };
  if (!with_capabilities) {
    return Queue([id, names = std::move(names), describe, at = size_t{0}](auto reply) mutable {
      reply.setId(id);
      const size_t count = std::min(names.size() - at, kServicesPerMessage);
      auto list = reply.initServices(static_cast<unsigned>(count));
      for (unsigned i = 0; i < count; ++i) describe(names[at + i], list[i]);
      at += count;
      return at < names.size();
    });
  }
  // One service per message; one that holds more than a message takes several.
  Queue([this, id, names = std::move(names), describe, at = size_t{0}, first = size_t{0},
         held = std::vector<Held>()](auto reply) mutable {
    reply.setId(id);
    const std::string& name = names[at];
    if (first == 0) {
      Service* const service = supervisor_.Find(name);
      held = name == "init"       ? HeldByInit()
             : service == nullptr ? std::vector<Held>()
                                  : HeldBy(*service);
    }
    auto state = reply.initServices(1)[0];
    describe(name, state);
    const size_t count = std::min(held.size() - first, kCapabilitiesPerMessage);
    auto list = state.initCapabilities(static_cast<unsigned>(count));
    for (unsigned i = 0; i < count; ++i) {
      const Held& facts = held[first + i];
      list[i].setIndex(facts.index);
      list[i].setType(static_cast<uint8_t>(facts.type));
      list[i].setRights(facts.rights);
      list[i].setBadge(facts.badge);
      list[i].setObject(facts.object.c_str());
    }
    first += count;
    if (first == held.size()) {
      first = 0;
      ++at;
    }
    return at < names.size();
  });
}

}  // namespace pyrene::init
