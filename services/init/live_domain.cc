// SPDX-License-Identifier: Apache-2.0
#include "services/init/live_domain.h"

#include <sys/random.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/kernel/error.h"
#include "runtime/kernel/syscall.h"
#include "services/init/layout.h"

namespace pyrene::init {
namespace {

using runtime::kPageBytes;
using runtime::ToStatus;

constexpr Rights kReadWrite = rights::kRead | rights::kWrite;
constexpr uint64_t kPagesPerKib4 = 4;

uint64_t StackPages(proto::Service::Reader spec) { return spec.getStackKib() / kPagesPerKib4; }
uint64_t HeapPages(proto::Service::Reader spec) { return spec.getHeapKib() / kPagesPerKib4; }

void CopyName(char* to, size_t bytes, absl::string_view name) {
  const size_t length = std::min(bytes - 1, name.size());
  std::memcpy(to, name.data(), length);
}

// The manifest's check saw to the room.
void AddArgument(StartInfo& start, absl::string_view argument) {
  std::memcpy(start.arguments + start.argument_bytes, argument.data(), argument.size());
  start.argument_bytes += static_cast<uint32_t>(argument.size() + 1);
  ++start.argument_count;
}

void CopyArguments(StartInfo& start, const DomainPlan& plan) {
  for (const capnp::Text::Reader argument : plan.spec.getArguments())
    AddArgument(start, argument.cStr());
  if (plan.repair) AddArgument(start, kRepairArgument);
}

}  // namespace

uint64_t PrivatePages(const Program& program, proto::Service::Reader spec) {
  return 1 + program.image.WritablePages() + StackPages(spec) + HeapPages(spec);
}

absl::StatusOr<LiveDomain> LiveDomain::Start(const DomainPlan& plan) {
  LiveDomain live;
  absl::StatusOr<Object> domain = Object::Create(
      absl::StrCat("domain ", plan.name),
      [&plan](CapIndex index) { return sys::DomainCreate(index, plan.quota_pages).status; });
  if (!domain.ok()) return domain.status();
  live.domain_ = *std::move(domain);
  if (absl::Status status = live.Fill(plan); !status.ok()) return status;
  if (absl::Status status = live.StartThread(plan); !status.ok()) return status;
  return live;
}

absl::Status LiveDomain::Fill(const DomainPlan& plan) {
  absl::StatusOr<runtime::Memory> view = plan.memory->Map();
  if (!view.ok()) return view.status();
  ZeroPages(view->data(), view->size());
  if (absl::Status status = MapProgram(plan, view->data()); !status.ok()) return status;

  uint64_t page = 1 + plan.program->image.WritablePages();
  const uint64_t stack = StackPages(plan.spec);
  const uint64_t heap = HeapPages(plan.spec);
  absl::Status status = MapPrivate(plan, page, kStackTop - stack * kPageBytes, stack);
  if (status.ok()) status = MapPrivate(plan, page + stack, kHeapAddress, heap);
  if (status.ok()) {
    status = ToStatus(
        sys::DomainMap(domain(), plan.log->cap(), 0, kLogAddress, plan.log->pages(), kReadWrite),
        "log ring");
  }
  if (status.ok()) {
    status = ToStatus(sys::DomainMap(domain(), plan.memory->cap(), kStartInfoPage,
                                     kStartInfoAddress, 1, rights::kRead),
                      "start page");
  }
  if (!status.ok()) return status;

  auto& start = *reinterpret_cast<StartInfo*>(view->data() + kStartInfoPage * kPageBytes);
  start.magic = StartInfo::kMagic;
  start.heap_bytes = heap * kPageBytes;
  start.stack_bytes = stack * kPageBytes;
  CopyName(start.name, sizeof(start.name), plan.name);
  if (getrandom(start.random_seed, sizeof(start.random_seed), 0) < 0) {
    return absl::InternalError("no random numbers");
  }
  start.realtime_offset_ns = plan.realtime_offset_ns;
  start.generation = plan.generation;
  start.log_bytes = static_cast<uint32_t>(plan.log->pages() * kPageBytes);
  CopyArguments(start, plan);
  return GiveAll(plan, start);
}

absl::Status LiveDomain::MapProgram(const DomainPlan& plan, uint8_t* view) {
  uint64_t page = 1;
  for (const ElfSegment& segment : plan.program->image.segments) {
    const uint64_t address = segment.first_page() * kPageBytes;
    if (segment.write) {
      std::memcpy(view + page * kPageBytes + (segment.address - address),
                  plan.program->file.data() + segment.offset, segment.file_bytes);
      absl::Status status = MapPrivate(plan, page, address, segment.pages());
      if (!status.ok()) return status;
      page += segment.pages();
      continue;
    }
    // Read and executed where the bundle has it.
    const Rights access = rights::kRead | (segment.execute ? rights::kExecute : 0);
    const Status status = sys::DomainMap(domain(), plan.bundle->cap(),
                                         plan.program->bundle_page + segment.offset / kPageBytes,
                                         address, segment.pages(), access);
    if (status != Status::kOk) return ToStatus(status, "program");
  }
  return absl::OkStatus();
}

absl::Status LiveDomain::MapPrivate(const DomainPlan& plan, uint64_t first, uint64_t address,
                                    uint64_t pages) {
  return ToStatus(sys::DomainMap(domain(), plan.memory->cap(), first, address, pages, kReadWrite),
                  "private memory");
}

absl::Status LiveDomain::Give(CapIndex index, const Grant& grant) {
  const sys::CapInspection source = sys::CapInspect(kNullCap, grant.source);
  if (source.status != Status::kOk) return ToStatus(source.status, grant.name);
  const Status status = sys::CapCopy(domain(), index, grant.source, grant.rights, grant.badge);
  if (status != Status::kOk) return ToStatus(status, grant.name);
  given_.push_back({grant.name, index, source.type, source.object_id,
                    static_cast<Rights>(source.rights & grant.rights), grant.badge});
  return absl::OkStatus();
}

absl::Status LiveDomain::GiveAll(const DomainPlan& plan, StartInfo& start) {
  // Without the right to copy them, so that nobody else can be given them.
  absl::Status status = Give(kSelfDomainCap, {"self", domain(), rights::kControl});
  CapIndex next = kFirstFreeCap;
  if (status.ok() && plan.log_signal.source != kNullCap) {
    start.log_signal = next;
    status = Give(next++, plan.log_signal);
  }
  if (plan.grants.size() > StartInfo::kMaxCapabilities) {
    return absl::OutOfRangeError(absl::StrCat(plan.grants.size(), " named capabilities"));
  }
  for (size_t i = 0; i < plan.grants.size() && status.ok(); ++i) {
    const Grant& grant = plan.grants[i];
    NamedCapability& named = start.capability[i];
    CopyName(named.name, sizeof(named.name), grant.name);
    named.cap = next;
    named.value = grant.value;
    status = Give(next++, grant);
  }
  start.first_free = next;
  return status;
}

absl::Status LiveDomain::StartThread(const DomainPlan& plan) {
  const ThreadParameters parameters{
      .priority = plan.spec.getPriority(), .cpu = plan.cpu, .weight = plan.spec.getWeight()};
  absl::StatusOr<Object> thread =
      Object::Create(absl::StrCat("thread ", plan.name), [&](CapIndex index) {
        return sys::ThreadCreate(index, domain(), plan.program->image.entry, kStackTop,
                                 kStartInfoAddress, parameters);
      });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  absl::Status status = Give(kSelfThreadCap, {"thread", thread_.cap(), rights::kControl});
  if (status.ok() && plan.spec.getBudgetUs() != 0) {
    status = ToStatus(
        sys::ThreadSet(thread_.cap(), parameters, plan.spec.getBudgetUs(), plan.spec.getPeriodUs()),
        "thread");
  }
  if (status.ok()) {
    status = ToStatus(sys::DomainSupervise(domain(), plan.supervisor, plan.supervisor_bits),
                      "supervision");
  }
  if (status.ok()) status = ToStatus(sys::ThreadStart(thread_.cap()), "thread");
  return status;
}

}  // namespace pyrene::init
