// SPDX-License-Identifier: Apache-2.0
#include "services/xl/shell/guest_message.h"

#include <sys/random.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kernel/abi/capability.h"
#include "runtime/log.h"
#include "services/xl/disk_message.h"

namespace pyrene::xl {
namespace {

constexpr size_t kUuidBytes = 16;

capnp::Data::Reader DataOf(absl::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

std::string TextOf(capnp::Data::Reader data) {
  const auto chars = data.asChars();
  return {chars.begin(), chars.size()};
}

// The two enumerations have the same order.
static_assert(static_cast<int>(ShutdownAction::kDestroy) ==
              static_cast<int>(proto::Action::DESTROY));
static_assert(static_cast<int>(ShutdownAction::kSoftReset) ==
              static_cast<int>(proto::Action::SOFT_RESET));
proto::Action ToMessage(ShutdownAction action) { return static_cast<proto::Action>(action); }
ShutdownAction FromMessage(proto::Action action) { return static_cast<ShutdownAction>(action); }

template <typename Builder>
void WriteMasks(const std::vector<CpuMask>& masks, Builder list) {
  for (size_t i = 0; i < masks.size(); ++i) list.set(i, masks[i]);
}

std::vector<CpuMask> ReadMasks(capnp::List<uint64_t>::Reader list) {
  std::vector<CpuMask> masks;
  for (const uint64_t mask : list) masks.push_back(mask);
  return masks;
}

absl::string_view TypeName(uint8_t type) {
  constexpr absl::string_view kNames[] = {"None",       "Domain",  "Thread",       "Vcpu",
                                          "Memory",     "Port",    "Notification", "Irq",
                                          "IrqControl", "Firmware"};
  return type < std::size(kNames) ? kNames[type] : "?";
}

std::string RightsText(ObjectType type, Rights held) {
  std::string text;
  const auto add = [&](Rights bit, absl::string_view word) {
    if ((held & bit) == 0) return;
    const bool letters = !text.empty() && word.size() == 1;
    absl::StrAppend(&text, text.empty() || letters ? "" : ",", word);
  };
  switch (type) {
    case ObjectType::kMemory:
      add(rights::kRead, "r");
      add(rights::kWrite, "w");
      add(rights::kExecute, "x");
      add(rights::kDma, "d");
      break;
    case ObjectType::kPort:
      add(rights::kCall, "call");
      add(rights::kReceive, "receive");
      break;
    case ObjectType::kNotification:
      add(rights::kSignal, "signal");
      add(rights::kWait, "wait");
      break;
    case ObjectType::kVcpu:
      add(rights::kControl, "run");
      add(rights::kKick, "kick");
      break;
    default:
      add(rights::kControl, "control");
      break;
  }
  add(rights::kCopy, "copy");
  return text.empty() ? "-" : text;
}

std::string PhaseName(proto::ServicePhase phase) {
  switch (phase) {
    case proto::ServicePhase::STARTING:
      return "starting";
    case proto::ServicePhase::RUNNING:
      return "running";
    case proto::ServicePhase::WAITING:
      return "restarting";
    case proto::ServicePhase::STOPPED:
      return "dead";
  }
  return "?";
}

}  // namespace

std::string UuidBytes(absl::string_view text) {
  const std::string digits = absl::StrReplaceAll(text, {{"-", ""}});
  if (digits.size() != 2 * kUuidBytes ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit))
    return std::string(kUuidBytes, '\0');
  return absl::HexStringToBytes(digits);
}

std::string UuidText(absl::string_view bytes) {
  std::string padded(bytes.substr(0, kUuidBytes));
  padded.resize(kUuidBytes, '\0');
  const std::string digits = absl::BytesToHexString(padded);
  const absl::string_view view = digits;
  return absl::StrCat(view.substr(0, 8), "-", view.substr(8, 4), "-", view.substr(12, 4), "-",
                      view.substr(16, 4), "-", view.substr(20));
}

std::string RandomUuid() {
  uint8_t bytes[kUuidBytes] = {};
  if (getrandom(bytes, sizeof(bytes), 0) != static_cast<ssize_t>(sizeof(bytes)))
    runtime::LogError("no random bytes for a UUID");
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | 0x40);  // RFC 4122, 4.4
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return UuidText({reinterpret_cast<const char*>(bytes), sizeof(bytes)});
}

Guest ReadGuest(proto::GuestState::Reader state) {
  Guest guest;
  DomainInfo& info = guest.info;
  info.domid = state.getDomid();
  info.name = state.getName().cStr();
  info.uuid = UuidText(TextOf(state.getUuid()));
  info.memory_kib = state.getMemoryKib();
  info.paused = state.getPaused();
  info.dying = state.getDying();
  info.shutdown = state.getShutdown();
  info.shutdown_reason = state.getShutdownReason();
  info.start_time_s = state.getStartTime();
  guest.max_memory_kib = state.getMaxMemoryKib();
  uint32_t blocked = 0;
  for (const proto::VcpuState::Reader vcpu : state.getVcpus()) {
    VcpuInfo& one = guest.vcpus.emplace_back();
    one.domid = info.domid;
    one.domain_name = info.name;
    one.vcpu = static_cast<uint32_t>(guest.vcpus.size() - 1);
    one.cpu = vcpu.getCpu();
    one.online = vcpu.getOnline();
    one.running = vcpu.getRunning();
    one.blocked = vcpu.getBlocked();
    one.cpu_time_ns = vcpu.getCpuTimeNs();
    one.hard_affinity = vcpu.getHardAffinity();
    one.soft_affinity = vcpu.getSoftAffinity() == 0 ? kAllCpus : vcpu.getSoftAffinity();
    info.cpu_time_ns += one.cpu_time_ns;
    if (!one.online) continue;
    ++info.vcpus_online;
    info.running |= one.running;
    if (one.blocked) ++blocked;
  }
  info.blocked = info.vcpus_online > 0 && blocked == info.vcpus_online;
  return guest;
}

void WriteGuestConfig(const GuestConfig& config, absl::string_view source, bool paused,
                      proto::GuestConfig::Builder message) {
  message.setName(config.name.c_str());
  message.setUuid(DataOf(UuidBytes(config.uuid)));
  message.setKernel(config.kernel.c_str());
  message.setRamdisk(config.ramdisk.c_str());
  message.setCommandLine(config.cmdline.c_str());
  message.setMemoryKib(static_cast<uint64_t>(config.memory_mib) * 1024);
  message.setMaxMemoryKib(static_cast<uint64_t>(config.max_memory_mib) * 1024);
  message.setVcpus(static_cast<uint8_t>(config.vcpus));
  message.setMaxVcpus(static_cast<uint8_t>(config.max_vcpus));
  WriteMasks(config.cpus, message.initCpus(config.cpus.size()));
  WriteMasks(config.cpus_soft, message.initCpusSoft(config.cpus_soft.size()));
  message.setWeight(static_cast<uint16_t>(config.cpu_weight));
  message.setCapPercent(static_cast<uint32_t>(config.cap));
  message.setOnPoweroff(ToMessage(config.on_poweroff));
  message.setOnReboot(ToMessage(config.on_reboot));
  message.setOnCrash(ToMessage(config.on_crash));
  message.setOnWatchdog(ToMessage(config.on_watchdog));
  message.setOnSoftReset(ToMessage(config.on_soft_reset));
  message.setStartPaused(paused);
  message.setSource(std::string(source).c_str());
  auto disks = message.initDisks(static_cast<unsigned>(config.disks.size()));
  for (unsigned i = 0; i < disks.size(); ++i) WriteDisk(config.disks[i], disks[i]);
}

GuestConfig ReadGuestConfig(proto::GuestConfig::Reader message) {
  GuestConfig config;
  config.name = message.getName().cStr();
  config.uuid = UuidText(TextOf(message.getUuid()));
  config.kernel = message.getKernel().cStr();
  config.ramdisk = message.getRamdisk().cStr();
  config.cmdline = message.getCommandLine().cStr();
  config.memory_mib = static_cast<int64_t>(message.getMemoryKib() / 1024);
  config.max_memory_mib = static_cast<int64_t>(message.getMaxMemoryKib() / 1024);
  config.vcpus = message.getVcpus();
  config.max_vcpus = message.getMaxVcpus();
  config.cpus = ReadMasks(message.getCpus());
  config.cpus_soft = ReadMasks(message.getCpusSoft());
  config.cpu_weight = message.getWeight();
  config.cap = static_cast<int>(message.getCapPercent());
  config.on_poweroff = FromMessage(message.getOnPoweroff());
  config.on_reboot = FromMessage(message.getOnReboot());
  config.on_crash = FromMessage(message.getOnCrash());
  config.on_watchdog = FromMessage(message.getOnWatchdog());
  config.on_soft_reset = FromMessage(message.getOnSoftReset());
  for (const proto::Disk::Reader disk : message.getDisks())
    config.disks.push_back(DiskFromMessage(disk));
  return config;
}

ServiceInfo ReadService(proto::ServiceState::Reader state) {
  ServiceInfo service;
  service.name = state.getName().cStr();
  service.state = PhaseName(state.getState());
  service.generation = state.getGeneration();
  service.memory_kib = state.getMemoryKib();
  service.cpu_time_ns = state.getCpuTimeNs();
  service.cpu = state.getCpu();
  service.priority = state.getPriority();
  for (const proto::HeldCapability::Reader held : state.getCapabilities()) {
    CapabilityInfo& capability = service.capabilities.emplace_back();
    capability.slot = held.getIndex();
    capability.type = std::string(TypeName(held.getType()));
    capability.rights = RightsText(static_cast<ObjectType>(held.getType()), held.getRights());
    capability.object = held.getObject().cStr();
    if (held.getBadge() != 0) {
      absl::StrAppend(&capability.object, capability.object.empty() ? "" : " ", "(badge 0x",
                      absl::Hex(held.getBadge()), ")");
    }
  }
  return service;
}

}  // namespace pyrene::xl
