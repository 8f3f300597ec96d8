// SPDX-License-Identifier: Apache-2.0
#include "services/xl/list_json.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/xl/json_writer.h"

namespace pyrene::xl {
namespace {

constexpr uint64_t kNoDomid = 0xffffffff;  // "the hypervisor chooses"

void WriteCreateInfo(const GuestConfig& config, JsonWriter& json) {
  json.Key("c_info");
  json.OpenObject();
  json.Member("type", "pvh");
  json.Member("name", config.name);
  json.Member("domid", kNoDomid);
  if (!config.uuid.empty()) json.Member("uuid", config.uuid);
  json.Member("run_hotplug_scripts", "True");
  json.CloseObject();
}

void WriteAffinity(absl::string_view key, const std::vector<CpuMask>& masks, int host_cpus,
                   JsonWriter& json) {
  if (masks.empty()) return;
  json.Key(key);
  json.OpenArray();
  for (const CpuMask mask : masks) {
    json.OpenArray();
    for (int cpu = 0; cpu < host_cpus; ++cpu) {
      if ((mask >> cpu & 1) != 0) json.Integer(cpu);
    }
    json.CloseArray();
  }
  json.CloseArray();
}

void WriteBuildInfo(const GuestConfig& config, int host_cpus, JsonWriter& json) {
  json.Key("b_info");
  json.OpenObject();
  json.Member("max_vcpus", config.max_vcpus);
  json.Key("avail_vcpus");
  json.OpenArray();
  for (int vcpu = 0; vcpu < config.vcpus; ++vcpu) json.Integer(vcpu);
  json.CloseArray();
  WriteAffinity("vcpu_hard_affinity", config.cpus, host_cpus, json);
  WriteAffinity("vcpu_soft_affinity", config.cpus_soft, host_cpus, json);
  json.Member("max_memkb", static_cast<uint64_t>(config.max_memory_mib) * 1024);
  json.Member("target_memkb", static_cast<uint64_t>(config.memory_mib) * 1024);
  json.Member("video_memkb", uint64_t{0});
  json.Key("sched_params");
  json.OpenObject();
  json.Member("sched", "credit2");
  json.Member("weight", config.cpu_weight);
  json.Member("cap", config.cap);
  json.CloseObject();
  json.Member("claim_mode", "True");
  json.Member("kernel", config.kernel);
  if (!config.cmdline.empty()) json.Member("cmdline", config.cmdline);
  if (!config.ramdisk.empty()) json.Member("ramdisk", config.ramdisk);
  for (const absl::string_view empty : {"type.pvh", "arch_arm", "arch_x86"}) {
    json.Key(empty);
    json.OpenObject();
    json.CloseObject();
  }
  json.CloseObject();
}

void WriteDisks(const std::vector<DiskSpec>& disks, JsonWriter& json) {
  if (disks.empty()) return;
  json.Key("disks");
  json.OpenArray();
  for (const DiskSpec& disk : disks) {
    json.OpenObject();
    if (!disk.backend.empty()) json.Member("backend_domname", disk.backend);
    if (!disk.target.empty()) json.Member("pdev_path", disk.target);
    json.Member("vdev", disk.vdev);
    if (disk.backend_type != DiskSpec::BackendType::kAny)
      json.Member("backend", BackendTypeName(disk.backend_type));
    json.Member("format", DiskFormatName(disk.format));
    if (!disk.script.empty()) json.Member("script", disk.script);
    if (disk.removable) json.Member("removable", 1);
    if (!disk.read_only) json.Member("readwrite", 1);
    if (disk.cdrom) json.Member("is_cdrom", 1);
    if (disk.discard.has_value()) json.Member("discard_enable", *disk.discard ? "True" : "False");
    json.Member("colo_restore_enable", "False");
    if (!disk.trusted) json.Member("trusted", "False");
    json.CloseObject();
  }
  json.CloseArray();
}

void WriteVifs(const std::vector<VifSpec>& vifs, JsonWriter& json) {
  if (vifs.empty()) return;
  json.Key("nics");
  json.OpenArray();
  for (const VifSpec& vif : vifs) {
    json.OpenObject();
    if (!vif.backend.empty()) json.Member("backend_domname", vif.backend);
    json.Member("devid", vif.devid.value_or(0));
    if (vif.mtu.has_value()) json.Member("mtu", *vif.mtu);
    if (!vif.model.empty()) json.Member("model", vif.model);
    if (vif.mac.has_value()) json.Member("mac", FormatMac(*vif.mac));
    if (!vif.ip.empty()) json.Member("ip", vif.ip);
    json.Member("bridge", vif.bridge);
    if (!vif.name.empty()) json.Member("ifname", vif.name);
    if (!vif.script.empty()) json.Member("script", vif.script);
    json.Member("nictype", "vif");
    if (vif.rate.has_value()) {
      json.Member("rate_bytes_per_interval", vif.rate->bytes);
      json.Member("rate_interval_usecs", vif.rate->interval_us);
    }
    if (!vif.gateway_device.empty()) json.Member("gatewaydev", vif.gateway_device);
    if (!vif.trusted) json.Member("trusted", "False");
    json.CloseObject();
  }
  json.CloseArray();
}

// libxl's JSON has underscores where the configuration has hyphens, and a name of its own for one
// action.
std::string JsonActionName(ShutdownAction action) {
  if (action == ShutdownAction::kRenameRestart) return "restart_rename";
  std::string name(ShutdownActionName(action));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

void WriteConfig(const GuestConfig& config, int host_cpus, JsonWriter& json) {
  json.OpenObject();
  WriteCreateInfo(config, json);
  WriteBuildInfo(config, host_cpus, json);
  WriteDisks(config.disks, json);
  WriteVifs(config.vifs, json);
  const std::pair<absl::string_view, ShutdownAction> actions[] = {
      {"on_poweroff", config.on_poweroff},     {"on_reboot", config.on_reboot},
      {"on_watchdog", config.on_watchdog},     {"on_crash", config.on_crash},
      {"on_soft_reset", config.on_soft_reset},
  };
  for (const auto& [key, action] : actions) {
    // destroy is the value of libxl's structure before anything is set, and such members are not
    // written.
    if (action != ShutdownAction::kDestroy) json.Member(key, JsonActionName(action));
  }
  json.CloseObject();
}

}  // namespace

std::string FormatListJson(absl::Span<const DomainDetails> domains, int host_cpus) {
  JsonWriter json;
  json.OpenArray();
  for (const DomainDetails& domain : domains) {
    json.OpenObject();
    json.Member("domid", domain.domid);
    json.Key("config");
    WriteConfig(domain.config, host_cpus, json);
    json.CloseObject();
  }
  json.CloseArray();
  return std::move(json).Take() + "\n";  // xl prints the text, which ends with a newline, as a line
}

std::string FormatConfigJson(const GuestConfig& config, int host_cpus) {
  JsonWriter json;
  WriteConfig(config, host_cpus, json);
  return std::move(json).Take();
}

}  // namespace pyrene::xl
