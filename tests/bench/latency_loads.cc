// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/latency_loads.h"

#include <iterator>
#include <memory>

#include "runtime/kernel/port_call.h"
#include "tests/bench/root.h"
#include "tests/kernel/guest.h"

namespace pyrene::bench {
namespace {

using kernel_test::Guest;
using kernel_test::KernelTest;
using kernel_test::kReadWrite;
using Stop = const std::atomic<bool>&;
using Loop = std::function<void(Stop)>;

constexpr uint64_t kBlockPages = 512;
constexpr uint64_t kMapPages = 4096;  // 16 MiB
constexpr uint64_t kDerived = 200;
constexpr uint64_t kVictimQuota = 128;
constexpr uint64_t kVictimPages = 2048;
constexpr uint64_t kPiece = 32;  // pages mapped at once, so that the destruction is what is long
constexpr unsigned kVictimObjects = 16;
constexpr ThreadParameters kLowest{1, 0, 256};

Loop Idle(KernelTest&) { return nullptr; }

Loop Compute(KernelTest&) {
  return [](Stop stop) {
    while (!stop) {
    }
  };
}

// Two vCPUs in turns, so that each run changes the EL1 state, too: hypercalls of one, stage-2
// faults of the other.
Loop GuestExits(KernelTest& objects) {
  auto guest = std::make_shared<Guest>(objects, 2);
  guest->Begin(0, kg_hvc);
  guest->Begin(1, kg_load, Guest::kNothing);
  return [guest](Stop stop) {
    while (!stop) {
      static_cast<void>(guest->Run(0));
      static_cast<void>(guest->Run(1));
    }
  };
}

// 16 MiB page by page: the addresses are out of step with the memory by a page.
Loop Map(KernelTest& objects) {
  const CapIndex memory = objects.Ram(kMapPages, kernel_test::kBlock);
  const uint64_t address = objects.FreeAddress(kMapPages + 1, kernel_test::kBlock) + kPage;
  return [=](Stop stop) {
    while (!stop) {
      Check(sys::DomainMap(kSelfDomainCap, memory, 0, address, kMapPages, kReadWrite), "map");
      Check(sys::DomainUnmap(kSelfDomainCap, address, kMapPages), "unmap");
    }
  };
}

// A block is mapped, split by unmapping a page in its middle, and unmapped.
Loop Split(KernelTest& objects) {
  const CapIndex memory = objects.Ram(kBlockPages, kernel_test::kBlock);
  const uint64_t address = objects.FreeAddress(kBlockPages, kernel_test::kBlock);
  return [=](Stop stop) {
    while (!stop) {
      Check(sys::DomainMap(kSelfDomainCap, memory, 0, address, kBlockPages, kReadWrite), "map");
      Check(sys::DomainUnmap(kSelfDomainCap, address + kBlockPages / 2 * kPage, 1), "split");
      Check(sys::DomainUnmap(kSelfDomainCap, address, kBlockPages), "unmap");
    }
  };
}

// Many capabilities, each derived from the one before and mapped, go with the first.
Loop Revoke(KernelTest& objects) {
  const CapIndex memory = objects.Ram(kDerived);
  const uint64_t address = objects.FreeAddress(kDerived);
  auto slots = std::make_shared<std::vector<CapIndex>>();
  for (uint64_t i = 0; i < kDerived; ++i) slots->push_back(objects.Slot());
  return [=](Stop stop) {
    while (!stop) {
      CapIndex from = memory;
      for (uint64_t i = 0; i < kDerived; ++i) {
        const CapIndex to = (*slots)[i];
        Check(sys::MemoryDerive(to, from, 0, kDerived - i, rights::kAll), "derive");
        Check(sys::DomainMap(kSelfDomainCap, to, 0, address + i * kPage, 1, kReadWrite), "map");
        from = to;
      }
      Check(sys::CapRevoke(memory), "revoke");
    }
  };
}

// A domain with memory, threads, vCPUs, ports and notifications, made and destroyed.
Loop Destroy(KernelTest& objects) {
  const CapIndex memory = objects.Ram(kVictimPages, kernel_test::kBlock);
  const CapIndex domain = objects.Slot();
  const uint64_t state = objects.FreeAddress(1);
  std::vector<CapIndex> slots;
  for (unsigned i = 0; i < 2 * kVictimObjects; ++i) slots.push_back(objects.Slot());
  const CapIndex vcpu = objects.Slot();
  return [=](Stop stop) {
    while (!stop) {
      Check(sys::DomainCreate(domain, kVictimQuota).status, "domain");
      for (uint64_t page = 0; page < kVictimPages; page += kPiece)
        Check(sys::DomainMap(domain, memory, page, kPage + page * kPage, kPiece, kReadWrite),
              "map");
      Check(sys::VcpuCreate(vcpu, domain, state, 0), "vcpu");
      for (unsigned i = 0; i < kVictimObjects; ++i) {
        Check(sys::ThreadCreate(slots[2 * i], domain, 0, 0, 0, kLowest), "thread");
        Check(sys::NotificationCreate(slots[2 * i + 1]), "notification");
        Check(sys::CapCopy(domain, kFirstFreeCap + i, slots[2 * i + 1], rights::kAll), "copy");
      }
      Check(sys::CapDelete(domain), "destroy");
      for (const CapIndex slot : slots) static_cast<void>(sys::CapDelete(slot));
      static_cast<void>(sys::CapDelete(vcpu));
    }
  };
}

// The calls that make objects, each with its deletion.
Loop Create(KernelTest& objects) {
  const CapIndex made = objects.Slot();
  const CapIndex domain = objects.NewDomain(kVictimQuota);
  const uint64_t state = objects.FreeAddress(1);
  return [=](Stop stop) {
    while (!stop) {
      Check(sys::DomainCreate(made, kVictimQuota).status, "domain");
      Check(sys::CapDelete(made), "delete");
      Check(sys::ThreadCreate(made, domain, 0, 0, 0, kLowest), "thread");
      Check(sys::CapDelete(made), "delete");
      Check(sys::VcpuCreate(made, domain, state, 0), "vcpu");
      Check(sys::CapDelete(made), "delete");
      Check(sys::PortCreate(made), "port");
      Check(sys::CapDelete(made), "delete");
      Check(sys::DomainReset(domain), "reset");
    }
  };
}

// Short calls, and waits that time out at once.
Loop Calls(KernelTest& objects) {
  const CapIndex notification = objects.NewNotification();
  return [=](Stop stop) {
    while (!stop) {
      static_cast<void>(sys::NotificationSignal(notification, 1));
      static_cast<void>(sys::NotificationWait(notification, 1, kNoDeadline));
      static_cast<void>(sys::NotificationWait(notification, 1, sys::Ticks() + 100));
      static_cast<void>(sys::DomainAccount(kSelfDomainCap));
      sys::ThreadYield();
    }
  };
}

}  // namespace

const Load* Loads(unsigned& count) {
  static constexpr Load kLoads[] = {
      {Put<Mark::kIdle>, Idle},       {Put<Mark::kCompute>, Compute},
      {Put<Mark::kCalls>, Calls},     {Put<Mark::kGuestExits>, GuestExits},
      {Put<Mark::kCreate>, Create},   {Put<Mark::kMap>, Map},
      {Put<Mark::kSplit>, Split},     {Put<Mark::kRevoke>, Revoke},
      {Put<Mark::kDestroy>, Destroy},
  };
  count = std::size(kLoads);
  return kLoads;
}

}  // namespace pyrene::bench
