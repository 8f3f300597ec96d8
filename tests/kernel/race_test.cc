// SPDX-License-Identifier: Apache-2.0
//
// Races between CPUs: the same thing again and again while another CPU is in the middle of it.
// `rounds` on the command line says how often; a soak run (calls.test) does it all many times. What
// must not happen is a lost wake-up, a hang, a crash, or a page that does not come back.
#include <atomic>
#include <memory>

#include "runtime/guarded.h"
#include "runtime/kernel/port_call.h"
#include "tests/kernel/child.h"
#include "tests/kernel/code.h"
#include "tests/kernel/guest.h"
#include "tests/kernel/task.h"

// The personality's upcall: turns a fault in a guarded access into its error.
extern "C" void pyrene_upcall();

namespace pyrene::kernel_test {
namespace {

constexpr uint64_t kAll = ~uint64_t{0};
constexpr uint64_t kUpcallBytes = 8192;

// An upcall stack as the personality wants it: aligned to its size.
class GuardedStack {
 public:
  GuardedStack() : memory_(new uint8_t[2 * kUpcallBytes]) {}
  uint64_t top() const {
    return ((reinterpret_cast<uint64_t>(memory_.get()) + kUpcallBytes - 1) & ~(kUpcallBytes - 1)) +
           kUpcallBytes;
  }
  void Register() const {
    static_cast<void>(sys::UpcallSet(reinterpret_cast<uint64_t>(&pyrene_upcall), top()));
  }

 private:
  std::unique_ptr<uint8_t[]> memory_;
};

class RaceTest : public KernelTest {
 protected:
  static uint32_t LastCpu() { return Boot().cpus - 1; }
  static uint32_t MiddleCpu() { return Boot().cpus / 2; }
  static uint64_t Rounds(uint64_t standard) { return Option("rounds", standard); }
};

// Two threads that wait for each other, signalling at the moment the other goes to sleep.
TEST_F(RaceTest, SignalMeetsWait) {
  struct Side {
    CapIndex mine, other;
    uint64_t rounds;
    std::atomic<uint64_t> done{0};
    void operator()() {
      for (uint64_t i = 0; i < rounds; ++i) {
        static_cast<void>(sys::NotificationSignal(other, 1));
        if (sys::NotificationWait(mine, 1, kNoDeadline).status != Status::kOk) return;
        done = i + 1;
      }
      static_cast<void>(sys::NotificationSignal(other, 1));
    }
  };
  Side a{NewNotification(), NewNotification(), Rounds(5000)};
  Side b{a.other, a.mine, a.rounds};
  TaskOf task_a(On(MiddleCpu()), [&a] { a(); });
  TaskOf task_b(On(LastCpu()), [&b] { b(); });
  task_a->Start();
  task_b->Start();
  EXPECT_TRUE(Eventually([&] { return a.done == a.rounds && b.done == b.rounds; }))
      << a.done << " " << b.done;
}

// Deadlines that pass at the moment of the signal: each bit arrives once, by one way or the other.
TEST_F(RaceTest, SignalMeetsDeadline) {
  struct Shared {
    CapIndex notification;
    std::atomic<uint64_t> sent{0}, received{0};
    std::atomic<bool> stop{false};
  } shared;
  shared.notification = NewNotification();
  TaskOf waiter(On(LastCpu()), [&shared] {
    while (!shared.stop) {
      const auto wakeup = sys::NotificationWait(shared.notification, kAll, sys::Ticks() + 200);
      if (wakeup.status == Status::kOk) shared.received = shared.received + 1;
    }
  });
  waiter->Start();
  const uint64_t rounds = Rounds(1500);
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(sys::NotificationSignal(shared.notification, 1), Status::kOk);
    shared.sent = i + 1;
    ASSERT_TRUE(Eventually([&] { return shared.received == i + 1; })) << i;
  }
  shared.stop = true;
  ASSERT_TRUE(waiter->Ends());
  EXPECT_EQ(shared.received, rounds);
}

// Memory is revoked while another CPU copies out of it; each time the copy fails, and works again
// with the next grant.
TEST_F(RaceTest, RevokeWhileRead) {
  const CapIndex memory = Ram(4);
  uint8_t* const mine = Map(memory, 4);
  memset(mine, 0x5a, 4 * kPage);
  struct Reader {
    const uint8_t* from;
    GuardedStack stack;
    uint8_t buffer[256];
    std::atomic<uint64_t> good{0}, failed{0}, wrong{0};
    std::atomic<bool> stop{false};
    void operator()() {
      stack.Register();
      while (!stop) {
        if (!runtime::GuardedCopy(buffer, from + kPage - 100, sizeof(buffer))) {
          failed = failed + 1;
          continue;
        }
        good = good + 1;
        for (const uint8_t byte : buffer)
          if (byte != 0x5a) wrong = wrong + 1;
      }
    }
  } reader;
  const uint64_t address = FreeAddress(2);
  reader.from = reinterpret_cast<const uint8_t*>(address);
  TaskOf task(On(LastCpu()), [&reader] { reader(); });
  task->Start();
  const CapIndex grant = Slot();
  const uint64_t rounds = Rounds(100);
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(sys::MemoryDerive(grant, memory, 1, 2, rights::kAll), Status::kOk);
    const uint64_t good = reader.good;
    ASSERT_EQ(sys::DomainMap(kSelfDomainCap, grant, 0, address, 2, rights::kRead), Status::kOk);
    ASSERT_TRUE(Eventually([&] { return reader.good != good; })) << i;
    ASSERT_EQ(sys::CapRevoke(memory), Status::kOk);
    // The page belongs to somebody else at once: what was a valid read before is none any more.
    memset(mine + kPage, 0xa5, 2 * kPage);
    const uint64_t failed = reader.failed;
    ASSERT_TRUE(Eventually([&] { return reader.failed != failed; })) << i;
    ASSERT_EQ(reader.wrong, 0u) << "read after the revocation";
    memset(mine + kPage, 0x5a, 2 * kPage);
  }
  reader.stop = true;
  ASSERT_TRUE(task->Ends());
}

// Blocks are split while another CPU reads from them all the time: break-before-make must not show.
TEST_F(RaceTest, SplitWhileRead) {
  static constexpr uint64_t kBlocks = 16;
  static constexpr uint64_t kPages = 512 * kBlocks;
  const CapIndex memory = Ram(kPages, kBlock);
  const uint64_t address = FreeAddress(kPages, kBlock);
  const uint64_t rounds = Rounds(20);
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(sys::DomainMap(kSelfDomainCap, memory, 0, address, kPages, kReadWrite), Status::kOk);
    struct Reader {
      uint64_t address;
      std::atomic<uint64_t> turns{0};
      std::atomic<bool> stop{false};
    } reader{address};
    TaskOf task(On(LastCpu()), [&reader] {
      while (!reader.stop) {
        for (uint64_t block = 0; block < kBlocks; ++block)
          static_cast<void>(
              *reinterpret_cast<volatile uint64_t*>(reader.address + (block * 512 + 256) * kPage));
        reader.turns = reader.turns + 1;
      }
    });
    task->Start();
    for (uint64_t block = 0; block < kBlocks; ++block) {
      const uint64_t before = reader.turns;
      ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address + (block * 512 + i) * kPage, 1),
                Status::kOk);
      ASSERT_TRUE(Eventually([&] { return reader.turns > before + 1; }))
          << i << ": " << testing::PrintToString(task->State());
    }
    reader.stop = true;
    ASSERT_TRUE(task->Ends());
    ASSERT_EQ(sys::DomainUnmap(kSelfDomainCap, address, kPages), Status::kOk);
  }
}

// Domains are destroyed while their threads compute, call, wait, fault and exit on all CPUs.
void Busy(void* shared) {
  auto* counter = static_cast<std::atomic<uint64_t>*>(shared);
  for (uint64_t i = 0;; ++i) {
    counter->fetch_add(1, std::memory_order_relaxed);
    switch (i % 8) {
      case 0:
        static_cast<void>(sys::NotificationWait(9, ~uint64_t{0}, sys::Ticks() + 50));
        break;
      case 1:
        static_cast<void>(sys::NotificationSignal(9, i));
        break;
      case 2:
        static_cast<void>(sys::NotificationCreate(20));
        break;
      case 3:
        static_cast<void>(sys::CapDelete(20));
        break;
      case 4:
        sys::ThreadYield();
        break;
      case 5:
        static_cast<void>(sys::DomainCreate(21, 4));
        break;
      case 6:
        static_cast<void>(sys::CapDelete(21));
        break;
      default:
        if (i % 1000 == 999) kt_undefined();
        break;
    }
  }
}

TEST_F(RaceTest, DestroyWhileRunning) {
  const uint64_t rounds = Rounds(8);
  const auto life = [this](uint64_t i) {
    Child child(*this, 64);
    child.Give(9, NewNotification());
    auto* counter = child.shared<std::atomic<uint64_t>>();
    for (uint32_t t = 0; t < Child::kMaxThreads; ++t)
      child.Run(Busy, On((t + static_cast<uint32_t>(i)) % Boot().cpus));
    ASSERT_TRUE(Eventually([&] { return *counter > i % 50; }));
    ASSERT_EQ(sys::CapDelete(child.domain()), Status::kOk);
    const uint64_t after = *counter;
    if (i % 16 == 0) Sleep(1000);
    ASSERT_EQ(*counter, after) << "it still runs";
  };
  CostsNothing(rounds, life);
}

TEST_F(RaceTest, StopAndStartWhileItBlocks) {
  struct Shared {
    CapIndex notification;
    std::atomic<uint64_t> count{0};
    std::atomic<bool> stop{false};
  } shared;
  shared.notification = NewNotification();
  TaskOf task(On(LastCpu()), [&shared] {
    while (!shared.stop) {
      static_cast<void>(sys::NotificationWait(shared.notification, 1, sys::Ticks() + 20));
      shared.count = shared.count + 1;
    }
  });
  task->Start();
  const uint64_t rounds = Rounds(1000);
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(sys::ThreadStop(task->cap()), Status::kOk);
    ASSERT_EQ(task->State(), ThreadState::kStopped) << i;
    const uint64_t stopped_at = shared.count;
    static_cast<void>(sys::NotificationSignal(shared.notification, 1));
    if (i % 8 == 0) Sleep(20);
    ASSERT_EQ(shared.count, stopped_at) << "it runs though it is stopped, round " << i;
    ASSERT_EQ(task->State(), ThreadState::kStopped) << i;
    ASSERT_EQ(sys::ThreadStart(task->cap()), Status::kOk);
    if (i % 64 == 0) {
      ASSERT_TRUE(Eventually([&] { return shared.count != stopped_at; })) << i;
    }
  }
  shared.stop = true;
  ASSERT_TRUE(task->Ends());
}

TEST_F(RaceTest, MoveAndChangeWhileItBlocks) {
  struct Shared {
    CapIndex notification;
    std::atomic<uint64_t> woken{0};
    std::atomic<bool> stop{false};
  } shared;
  shared.notification = NewNotification();
  TaskOf waiter(On(LastCpu()), [&shared] {
    while (!shared.stop) {
      static_cast<void>(sys::NotificationWait(shared.notification, 1, sys::Ticks() + 10000));
      shared.woken = shared.woken + 1;
    }
  });
  TaskOf signaller(On(MiddleCpu()), [&shared] {
    while (!shared.stop) static_cast<void>(sys::NotificationSignal(shared.notification, 1));
  });
  waiter->Start();
  signaller->Start();
  const uint64_t rounds = Rounds(1500);
  for (uint64_t i = 0; i < rounds; ++i) {
    const auto cpu = static_cast<uint32_t>(i / 3 % Boot().cpus);
    ASSERT_EQ(sys::ThreadSet(waiter->cap(), On(cpu, static_cast<uint8_t>(1 + i % 20)), 0, 0),
              Status::kOk);
    if (i % 128 != 0) continue;
    const uint64_t before = shared.woken;
    ASSERT_EQ(sys::ThreadSet(waiter->cap(), On(LastCpu(), 20), 0, 0), Status::kOk);
    ASSERT_TRUE(Eventually([&] { return shared.woken != before; })) << i;
  }
  shared.stop = true;
  ASSERT_TRUE(waiter->Ends());
  ASSERT_TRUE(signaller->Ends());
}

// Notifications go away while they are waited for and signalled.
TEST_F(RaceTest, NotificationEndsInUse) {
  const CapIndex slot = Slot();
  struct Shared {
    CapIndex slot;
    std::atomic<uint64_t> waits{0}, gone{0};
    std::atomic<bool> stop{false};
  } shared;
  shared.slot = slot;
  TaskOf waiter(On(LastCpu()), [&shared] {
    while (!shared.stop) {
      if (sys::NotificationWait(shared.slot, 1, sys::Ticks() + 1000).status == Status::kGone)
        shared.gone = shared.gone + 1;
      shared.waits = shared.waits + 1;
    }
  });
  TaskOf signaller(On(MiddleCpu()), [&shared] {
    while (!shared.stop) static_cast<void>(sys::NotificationSignal(shared.slot, 1));
  });
  waiter->Start();
  signaller->Start();
  const uint64_t rounds = Rounds(150);
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(sys::NotificationCreate(slot), Status::kOk);
    if (i % 16 == 0) Sleep(30);
    ASSERT_EQ(sys::CapDelete(slot), Status::kOk);
  }
  const uint64_t before = shared.waits;
  EXPECT_TRUE(Eventually([&] { return shared.waits != before; }))
      << "waiter " << testing::PrintToString(waiter->State()) << ", signaller "
      << testing::PrintToString(signaller->State());
  shared.stop = true;
  ASSERT_TRUE(waiter->Ends());
  ASSERT_TRUE(signaller->Ends());
}

// Ports go away while they are called and served: everybody goes on.
TEST_F(RaceTest, PortEndsInUse) {
  struct Shared {
    CapIndex slot;
    std::atomic<uint64_t> calls{0}, waits{0};
    std::atomic<bool> stop{false};
  } shared;
  shared.slot = Slot();
  TaskOf client(On(LastCpu()), [&shared] {
    while (!shared.stop) {
      sys::PortMessage message = {};
      static_cast<void>(sys::PortCall(shared.slot, message));
      shared.calls = shared.calls + 1;
    }
  });
  TaskOf server(On(MiddleCpu()), [&shared] {
    sys::PortMessage message = {};
    while (!shared.stop) {
      static_cast<void>(sys::PortReplyWait(shared.slot, message));
      shared.waits = shared.waits + 1;
    }
  });
  client->Start();
  server->Start();
  const uint64_t rounds = Rounds(60);
  for (uint64_t i = 0; i < rounds; ++i) {
    ASSERT_EQ(sys::PortCreate(shared.slot), Status::kOk);
    if (i % 16 == 0) Sleep(30);
    ASSERT_EQ(sys::CapDelete(shared.slot), Status::kOk);
  }
  const uint64_t calls = shared.calls;
  const uint64_t waits = shared.waits;
  EXPECT_TRUE(Eventually([&] { return shared.calls != calls && shared.waits != waits; }))
      << "client " << testing::PrintToString(client->State()) << ", server "
      << testing::PrintToString(server->State());
  shared.stop = true;
  ASSERT_TRUE(client->Ends());
  ASSERT_TRUE(server->Ends());
}

// Clients of all CPUs call one server; every answer is the caller's own.
TEST_F(RaceTest, ManyClientsOneServer) {
  struct Server {
    CapIndex port;
  } server{Slot()};
  ASSERT_EQ(sys::PortCreate(server.port), Status::kOk);
  TaskOf server_task(On(MiddleCpu()), [&server] {
    sys::PortMessage message = {};
    while (sys::PortReplyWait(server.port, message).status == Status::kOk) {
      for (uint64_t& word : message.word) word = word * 3 + 1;
    }
  });
  server_task->Start();
  struct Client {
    CapIndex port;
    uint64_t seed, rounds;
    std::atomic<uint64_t> wrong{0}, done{0};
    void operator()() {
      for (uint64_t i = 0; i < rounds; ++i) {
        sys::PortMessage message;
        for (uint64_t k = 0; k < 8; ++k) message.word[k] = seed + i + k;
        const auto answer = sys::PortCall(port, message);
        for (uint64_t k = 0; k < 8; ++k)
          if (answer.status != Status::kOk || message.word[k] != (seed + i + k) * 3 + 1)
            wrong = wrong + 1;
        done = i + 1;
      }
    }
  };
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::unique_ptr<Task>> tasks;
  for (uint32_t i = 0; i < 2 * Boot().cpus; ++i) {
    clients.push_back(std::make_unique<Client>());
    clients[i]->port = server.port;
    clients[i]->seed = uint64_t{i} << 32;
    clients[i]->rounds = Rounds(100);
    tasks.push_back(std::make_unique<Task>([](void* c) { (*static_cast<Client*>(c))(); },
                                           clients[i].get(), On(i % Boot().cpus)));
    tasks[i]->Start();
  }
  for (uint32_t i = 0; i < tasks.size(); ++i) {
    EXPECT_TRUE(tasks[i]->Ends()) << i << " after " << clients[i]->done;
    EXPECT_EQ(clients[i]->wrong, 0u) << i;
  }
}

TEST_F(RaceTest, ClientsAndServersEndInTheMiddle) {
  const CapIndex port = Slot();
  ASSERT_EQ(sys::PortCreate(port), Status::kOk);
  struct Side {
    CapIndex port;
    std::atomic<uint64_t> calls{0};
  } side{port};
  const auto serve = [&side] {
    sys::PortMessage message = {};
    while (sys::PortReplyWait(side.port, message).status == Status::kOk) {
    }
  };
  const auto call = [&side] {
    sys::PortMessage message = {};
    for (;;) {
      static_cast<void>(sys::PortCall(side.port, message));
      side.calls.fetch_add(1);
    }
  };
  TaskOf patient(On(MiddleCpu()), call);
  patient->Start();
  const uint64_t rounds = Rounds(50);
  for (uint64_t i = 0; i < rounds; ++i) {
    TaskOf server(On(static_cast<uint32_t>(i % Boot().cpus)), serve);
    TaskOf client(On(static_cast<uint32_t>(i / 2 % Boot().cpus)), call);
    server->Start();
    client->Start();
    const uint64_t before = side.calls;
    ASSERT_TRUE(Eventually([&] { return side.calls > before + i % 7; })) << i;
    if (i % 3 == 0) {
      ASSERT_EQ(sys::ThreadStop(client->cap()), Status::kOk);
    }
    if (i % 3 == 1) {
      ASSERT_EQ(sys::ThreadStop(server->cap()), Status::kOk);
    }
  }
}

// A vCPU under everything at once: run, kicked, synced and translated from all CPUs, and destroyed
// in the middle of it.
TEST_F(RaceTest, VcpuUsedFromAllSides) {
  const uint64_t rounds = Rounds(100);
  for (uint64_t i = 0; i < rounds; ++i) {
    Guest guest(*this);
    guest.Begin(0, i % 2 == 0 ? kg_count : kg_hvc, guest.PageOf(0));
    struct Shared {
      CapIndex vcpu;
      std::atomic<uint64_t> runs{0}, others{0};
      std::atomic<bool> stop{false};
    } shared;
    shared.vcpu = guest.vcpu();
    const auto run = [&shared] {
      while (!shared.stop) {
        const Status status = sys::VcpuRun(shared.vcpu, 0).status;
        if (status == Status::kOk) shared.runs.fetch_add(1);
        if (status == Status::kGone || status == Status::kBadCap) return;
      }
    };
    const auto disturb = [&shared] {
      for (uint64_t n = 0; !shared.stop; ++n) {
        if (n % 3 == 0) static_cast<void>(sys::VcpuKick(shared.vcpu));
        if (n % 3 == 1) static_cast<void>(sys::VcpuSync(shared.vcpu));
        if (n % 3 == 2)
          static_cast<void>(sys::VcpuTranslate(shared.vcpu, 0x40000000, TranslateAccess::kRead, 3));
        shared.others.fetch_add(1);
      }
    };
    TaskOf one(On(LastCpu(), 5), run);
    TaskOf two(On(MiddleCpu(), 5), run);
    TaskOf three(On(0, 5), disturb);
    TaskOf four(On(LastCpu(), 5), disturb);
    one->Start();
    two->Start();
    three->Start();
    if (Boot().cpus > 1) four->Start();
    ASSERT_TRUE(Eventually([&] { return shared.runs > 3 && shared.others > 30; }))
        << shared.runs << " " << shared.others;
    if (i % 3 == 0) {
      ASSERT_EQ(sys::CapDelete(guest.domain()), Status::kOk);
    }
    if (i % 3 == 1) {
      ASSERT_EQ(sys::CapDelete(guest.vcpu()), Status::kOk);
    }
    shared.stop = true;
    // The last run needs somebody to end it.
    ASSERT_TRUE(Eventually([&] {
      static_cast<void>(sys::VcpuKick(guest.vcpu()));
      return one->State() == ThreadState::kExited && two->State() == ThreadState::kExited;
    })) << i;
    ASSERT_TRUE(three->Ends());
    TearDown();
  }
}

// A kick at the moment of a WFI is never lost.
TEST_F(RaceTest, KickMeetsWait) {
  Guest guest(*this);
  guest.Begin(0, kg_wait, guest.PageOf(0));
  struct Shared {
    CapIndex vcpu;
    VcpuState* state;
    std::atomic<uint64_t> kicks{0};
    std::atomic<bool> stop{false};
    void operator()() {
      uint64_t flags = 0;
      while (!stop) {
        const auto exit = sys::VcpuRun(vcpu, flags);
        if (exit.status != Status::kOk) return;
        if (exit.reason == ExitReason::kKick) {
          kicks = kicks + 1;
        } else {
          state->pc += 4;
        }
        flags = run_flags::kBlock;
      }
    }
  } shared;
  shared.vcpu = guest.vcpu();
  shared.state = &guest.state();
  TaskOf task(On(LastCpu()), [&shared] { shared(); });
  task->Start();
  const uint64_t rounds = Rounds(1500);
  for (uint64_t i = 0; i < rounds; ++i) {
    const uint64_t before = shared.kicks;
    ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
    ASSERT_TRUE(Eventually([&] { return shared.kicks != before; })) << i;
  }
  shared.stop = true;
  ASSERT_EQ(sys::VcpuKick(guest.vcpu()), Status::kOk);
  ASSERT_TRUE(task->Ends());
}

}  // namespace
}  // namespace pyrene::kernel_test
