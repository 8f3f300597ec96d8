// SPDX-License-Identifier: Apache-2.0
//
// One life of a service: a domain with the program mapped, exactly the named capabilities in its
// table, and its first thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/manifest.capnp.h"
#include "runtime/start_info.h"
#include "services/init/bundle.h"
#include "services/init/capability_names.h"
#include "services/init/ram.h"

namespace pyrene::init {

// A capability that a service is given by name.
struct Grant {
  std::string name;            // shorter than NamedCapability::kNameBytes
  CapIndex source = kNullCap;  // init's
  Rights rights = 0;
  uint64_t badge = 0;
  uint32_t value = 0;
};

struct DomainPlan {
  std::string name;
  proto::Service::Reader spec;
  const Program* program = nullptr;
  const Bundle* bundle = nullptr;
  const Ram* memory = nullptr;  // PrivatePages of them; overwritten
  const Ram* log = nullptr;
  Grant log_signal;  // source kNullCap: nobody reads the log
  absl::Span<const Grant> grants;
  uint64_t quota_pages = 0;
  uint8_t cpu = 0;
  bool repair = false;  // adds kRepairArgument
  uint32_t generation = 1;
  int64_t realtime_offset_ns = 0;
  CapIndex supervisor = kNullCap;  // init's notification, signalled with `supervisor_bits`
  uint64_t supervisor_bits = 0;
};

// Of RAM, for the start page, the program's variables, stack and heap.
uint64_t PrivatePages(const Program& program, proto::Service::Reader spec);
// Of the private memory: where StartInfo lies.
inline constexpr uint64_t kStartInfoPage = 0;

class LiveDomain {
 public:
  // All is in place, and the thread runs.
  static absl::StatusOr<LiveDomain> Start(const DomainPlan& plan);

  CapIndex domain() const { return domain_.cap(); }
  CapIndex thread() const { return thread_.cap(); }
  const std::vector<Given>& given() const { return given_; }

 private:
  absl::Status Fill(const DomainPlan& plan);
  absl::Status MapProgram(const DomainPlan& plan, uint8_t* view);
  absl::Status MapPrivate(const DomainPlan& plan, uint64_t first, uint64_t address, uint64_t pages);
  absl::Status GiveAll(const DomainPlan& plan, StartInfo& start);
  absl::Status Give(CapIndex index, const Grant& grant);
  absl::Status StartThread(const DomainPlan& plan);

  Object domain_;
  Object thread_;
  std::vector<Given> given_;
};

}  // namespace pyrene::init
