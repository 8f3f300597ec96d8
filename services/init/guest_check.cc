// SPDX-License-Identifier: Apache-2.0
#include "services/init/guest_check.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace pyrene::init {
namespace {

constexpr size_t kUuidBytes = 16;
constexpr size_t kMaxPath = 1023;
constexpr size_t kMaxCommandLine = 2047;
constexpr unsigned kMaxVcpus = 8;
constexpr uint64_t kMibKib = 1024;
// The two banks of the guest's physical address space (Xen's Arm guest layout).
constexpr uint64_t kMaxMemoryKib = (uint64_t{3} + 504) << 20;

constexpr size_t kMaxVdev = 16;
constexpr size_t kMaxDiskTarget = 127;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMaxRamDisk = uint64_t{1} << 40;

absl::Status Bad(absl::string_view what) { return absl::InvalidArgumentError(what); }

}  // namespace

absl::Status CheckDiskConfig(proto::Disk::Reader disk) {
  if (disk.getVdev().size() == 0 || disk.getVdev().size() > kMaxVdev)
    return Bad(
        absl::StrCat("a disk's name has ", disk.getVdev().size(), " bytes, not 1..", kMaxVdev));
  if (disk.getTarget().size() > kMaxDiskTarget)
    return Bad(absl::StrCat("a disk's target is longer than ", kMaxDiskTarget, " bytes"));
  if (disk.isRam()) {
    if (disk.getRam() == 0 || disk.getRam() % kPageBytes != 0 || disk.getRam() > kMaxRamDisk)
      return Bad("a RAM disk has whole pages of 4 KiB, at least one");
    return absl::OkStatus();
  }
  if (disk.isFile() && (disk.getFile().size() == 0 || disk.getFile().size() > kMaxPath))
    return Bad(absl::StrCat("a disk's file has a path of 1 to ", kMaxPath, " bytes"));
  return disk.isPhy() || disk.isFile() ? absl::OkStatus() : Bad("a kind of disk that is not known");
}

absl::Status CheckGuestName(absl::string_view name) {
  if (name.empty() || name.size() > 64) return Bad("a guest's name has 1 to 64 bytes");
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '/';
  });
  if (!plain) return Bad("a guest's name has only printable ASCII without spaces and slashes");
  const bool number = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  if (number) return Bad("a guest's name can not be a number: that is a domid");
  return absl::OkStatus();
}

absl::Status CheckGuestConfig(proto::GuestConfig::Reader config) {
  if (absl::Status status = CheckGuestName(config.getName().cStr()); !status.ok()) return status;
  if (config.getUuid().size() != kUuidBytes) return Bad("the uuid has not 16 bytes");
  if (config.getKernel().size() == 0) return Bad("no kernel");
  if (config.getKernel().size() > kMaxPath || config.getRamdisk().size() > kMaxPath ||
      config.getSource().size() > kMaxPath) {
    return Bad(absl::StrCat("a file's name is longer than ", kMaxPath, " bytes"));
  }
  if (config.getCommandLine().size() > kMaxCommandLine) {
    return Bad(absl::StrCat("the command line is longer than ", kMaxCommandLine, " bytes"));
  }
  const uint64_t memory = config.getMemoryKib();
  if (memory == 0 || memory % kMibKib != 0 || memory > kMaxMemoryKib) {
    return Bad(absl::StrCat("memory of ", memory, " KiB: must be whole MiB, at most ",
                            kMaxMemoryKib / kMibKib));
  }
  if (config.getMaxMemoryKib() < memory || config.getMaxMemoryKib() > kMaxMemoryKib) {
    return Bad(absl::StrCat("maxmem of ", config.getMaxMemoryKib(), " KiB is out of range"));
  }
  if (config.getMaxVcpus() == 0 || config.getMaxVcpus() > kMaxVcpus) {
    return Bad(absl::StrCat("maxvcpus is ", config.getMaxVcpus(), ", not 1 to ", kMaxVcpus));
  }
  if (config.getVcpus() == 0 || config.getVcpus() > config.getMaxVcpus()) {
    return Bad(absl::StrCat("vcpus is ", config.getVcpus(), ", not 1 to maxvcpus"));
  }
  if (config.getCpus().size() > kMaxVcpus) return Bad("CPUs for more vCPUs than there can be");
  if (absl::Status status =
          CheckSchedule(config.getWeight(), config.getCapPercent(), config.getMaxVcpus());
      !status.ok())
    return status;
  const auto disks = config.getDisks();
  if (disks.size() > kMaxGuestDisks)
    return Bad(absl::StrCat("more than ", kMaxGuestDisks, " disks"));
  for (unsigned i = 0; i < disks.size(); ++i) {
    if (absl::Status status = CheckDiskConfig(disks[i]); !status.ok()) return status;
    for (unsigned j = 0; j < i; ++j) {
      if (disks[j].getNumber() == disks[i].getNumber()) return Bad("a disk is there twice");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSchedule(uint16_t weight, uint32_t cap_percent, unsigned max_vcpus) {
  if (weight == 0) return Bad("weight is 0");
  if (cap_percent > 100 * max_vcpus)
    return Bad(
        absl::StrCat("a cap of ", cap_percent, " is more than ", max_vcpus, " vCPUs can use"));
  return absl::OkStatus();
}

absl::Status CheckGuestState(proto::GuestState::Reader state) {
  if (state.getVcpus().size() > kMaxVcpus || state.getName().size() > 64 ||
      state.getUuid().size() > kUuidBytes) {
    return Bad("a guest's state is out of range");
  }
  return absl::OkStatus();
}

}  // namespace pyrene::init
