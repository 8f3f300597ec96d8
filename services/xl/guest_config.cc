// SPDX-License-Identifier: Apache-2.0
#include "services/xl/guest_config.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/xl/config_reader.h"
#include "services/xl/disk_source.h"
#include "services/xl/guest_config_keys.h"

namespace pyrene::xl {
namespace {

struct ActionName {
  ShutdownAction action;
  absl::string_view name;
};

constexpr ActionName kActions[] = {
    {ShutdownAction::kDestroy, "destroy"},
    {ShutdownAction::kRestart, "restart"},
    {ShutdownAction::kRenameRestart, "rename-restart"},
    {ShutdownAction::kPreserve, "preserve"},
    {ShutdownAction::kCoredumpDestroy, "coredump-destroy"},
    {ShutdownAction::kCoredumpRestart, "coredump-restart"},
    {ShutdownAction::kSoftReset, "soft-reset"},
};

void WarnAboutKeys(const ConfigEntries& entries, std::vector<std::string>& warnings) {
  std::set<absl::string_view> seen;
  for (const ConfigEntry& entry : entries) {
    if (!seen.insert(entry.key).second) continue;
    const ConfigEntry& last = *FindConfigEntry(entries, entry.key);
    const auto warn = [&](absl::string_view what) {
      warnings.push_back(absl::StrCat(last.location.LineText(), ": warning: ", what));
    };
    switch (TreatmentOfKey(entry.key)) {
      case KeyTreatment::kUnknown:
        warn(absl::StrCat("unknown key '", entry.key, "' ignored"));
        break;
      case KeyTreatment::kUnsupported: {
        const std::vector<ConfigAtom>& atoms = last.value.atoms;
        const bool nothing = last.value.is_list
                                 ? atoms.empty()
                                 : atoms.front().text.empty() || atoms.front().text == "0";
        if (!nothing) warn(absl::StrCat("'", entry.key, "' is not supported and has no effect"));
        break;
      }
      case KeyTreatment::kUsed:
      case KeyTreatment::kIgnored:
        break;
    }
  }
}

absl::Status ReadIdentity(ConfigReader& reader, GuestConfig& config) {
  if (absl::Status status = reader.Text("name", kMaxNameBytes, config.name); !status.ok())
    return status;
  if (!reader.Has("name")) return reader.Missing("Domain name must be specified.");
  if (!IsValidGuestName(config.name)) {
    return reader.Error("name", absl::StrCat("'", config.name,
                                             "' is no valid name (letters, digits and . _ + @ : - ",
                                             "after a letter or digit, and not only digits)"));
  }
  std::string uuid;
  if (absl::Status status = reader.Text("uuid", 64, uuid); !status.ok()) return status;
  if (reader.Has("uuid")) {
    absl::StatusOr<std::string> canonical = ParseUuid(uuid);
    if (!canonical.ok()) return reader.Error("uuid", canonical.status().message());
    config.uuid = *std::move(canonical);
  }
  return absl::OkStatus();
}

// Keys that choose a kind of guest.  There is only one here, so their values are checked and
// nothing follows from them.
absl::Status ReadKind(ConfigReader& reader) {
  struct KindKey {
    absl::string_view key;
    absl::string_view values[3];  // what is not used is empty, which is no value
    absl::string_view error;
  };
  static constexpr KindKey kKeys[] = {
      {"type", {"pvh", "pv", "hvm"}, "is no type of guest (pvh, pv, hvm)"},
      {"builder", {"generic", "hvm", "linux"}, "is no builder (generic, hvm, linux)"},
      {"gic_version",
       {"default", "v2"},
       "is no interrupt controller of this machine (default, v2)"},
  };
  for (const KindKey& kind : kKeys) {
    std::string value;
    if (absl::Status status = reader.Text(kind.key, 64, value); !status.ok()) return status;
    if (!reader.Has(kind.key)) continue;
    if (value.empty() ||
        std::find(std::begin(kind.values), std::end(kind.values), value) == std::end(kind.values)) {
      return reader.Error(kind.key, absl::StrCat("'", value, "' ", kind.error));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadBoot(ConfigReader& reader, GuestConfig& config,
                      std::vector<std::string>& warnings) {
  std::string root, extra, bootloader;
  for (const auto& [key, max, slot] :
       std::initializer_list<std::tuple<absl::string_view, size_t, std::string*>>{
           {"kernel", kMaxPathBytes, &config.kernel},
           {"ramdisk", kMaxPathBytes, &config.ramdisk},
           {"bootloader", kMaxPathBytes, &bootloader},
           {"cmdline", kMaxCmdlineBytes, &config.cmdline},
           {"root", kMaxCmdlineBytes, &root},
           {"extra", kMaxCmdlineBytes, &extra}}) {
    if (absl::Status status = reader.Text(key, max, *slot); !status.ok()) return status;
  }
  if (!bootloader.empty()) {
    if (config.kernel.empty())
      return reader.Error("bootloader", "is not supported; name a kernel file by 'kernel'");
    warnings.push_back(absl::StrCat(reader.Where("bootloader"),
                                    ": warning: 'bootloader' is not supported, 'kernel' is used"));
  }
  if (!reader.Has("kernel")) return reader.Missing("kernel must be specified.");
  if (config.kernel.empty()) return reader.Error("kernel", "is empty");

  if (reader.Has("cmdline")) {
    if (reader.Has("root") || reader.Has("extra")) {
      warnings.push_back("Warning: ignoring root= and extra= in favour of cmdline=");
    }
    return absl::OkStatus();
  }
  if (reader.Has("root")) config.cmdline = absl::StrCat("root=", root);
  if (reader.Has("extra")) absl::StrAppend(&config.cmdline, reader.Has("root") ? " " : "", extra);
  if (config.cmdline.size() > kMaxCmdlineBytes) {
    return reader.Error(
        reader.Has("extra") ? "extra" : "root",
        absl::StrCat("the command line is longer than ", kMaxCmdlineBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status ReadMemory(ConfigReader& reader, GuestConfig& config) {
  if (absl::Status status = reader.Integer("memory", 1, kMaxMemoryMib, config.memory_mib);
      !status.ok())
    return status;
  if (absl::Status status = reader.Integer("maxmem", 1, kMaxMemoryMib, config.max_memory_mib);
      !status.ok())
    return status;
  if (!reader.Has("memory") && !reader.Has("maxmem"))
    return reader.Missing("memory must be specified.");
  if (!reader.Has("memory")) config.memory_mib = config.max_memory_mib;
  if (!reader.Has("maxmem")) config.max_memory_mib = config.memory_mib;
  if (config.max_memory_mib < config.memory_mib) {
    return reader.Error(
        "maxmem", absl::StrCat(config.max_memory_mib, " is less than memory, ", config.memory_mib));
  }
  return absl::OkStatus();
}

absl::Status ReadAffinity(ConfigReader& reader, absl::string_view key, int max_vcpus,
                          std::vector<CpuMask>& masks) {
  const ConfigEntry* entry = reader.Find(key);
  if (entry == nullptr) return absl::OkStatus();
  for (const ConfigAtom& atom : entry->value.atoms) {
    if (static_cast<int>(masks.size()) == max_vcpus)
      break;  // elements for vCPUs that do not exist have no effect
    absl::StatusOr<CpuMask> mask = ParseCpuList(atom.text);
    if (!mask.ok()) return reader.Error(key, atom, mask.status().message());
    masks.push_back(*mask);
  }
  if (!entry->value.is_list) masks.assign(max_vcpus, masks.front());
  return absl::OkStatus();
}

absl::Status ReadCpus(ConfigReader& reader, GuestConfig& config) {
  int64_t vcpus = 1, max_vcpus = 0, weight = kDefaultCpuWeight, cap = 0;
  if (absl::Status status = reader.Integer("vcpus", 1, kMaxVcpus, vcpus); !status.ok())
    return status;
  max_vcpus = vcpus;
  if (absl::Status status = reader.Integer("maxvcpus", 1, kMaxVcpus, max_vcpus); !status.ok())
    return status;
  if (max_vcpus < vcpus)
    return reader.Error("maxvcpus", absl::StrCat(max_vcpus, " is less than vcpus, ", vcpus));
  if (absl::Status status = reader.Integer("cpu_weight", 1, kMaxCpuWeight, weight); !status.ok())
    return status;
  if (absl::Status status = reader.Integer("cap", 0, 100 * max_vcpus, cap); !status.ok())
    return status;
  config.vcpus = static_cast<int>(vcpus);
  config.max_vcpus = static_cast<int>(max_vcpus);
  config.cpu_weight = static_cast<int>(weight);
  config.cap = static_cast<int>(cap);
  if (absl::Status status = ReadAffinity(reader, "cpus", config.max_vcpus, config.cpus);
      !status.ok())
    return status;
  return ReadAffinity(reader, "cpus_soft", config.max_vcpus, config.cpus_soft);
}

absl::Status ReadActions(ConfigReader& reader, GuestConfig& config) {
  for (const auto& [key, slot] :
       std::initializer_list<std::pair<absl::string_view, ShutdownAction*>>{
           {"on_poweroff", &config.on_poweroff},
           {"on_reboot", &config.on_reboot},
           {"on_watchdog", &config.on_watchdog},
           {"on_crash", &config.on_crash},
           {"on_soft_reset", &config.on_soft_reset}}) {
    std::string name;
    if (absl::Status status = reader.Text(key, 64, name); !status.ok()) return status;
    if (!reader.Has(key)) continue;
    const auto* action = std::find_if(std::begin(kActions), std::end(kActions),
                                      [&name](const ActionName& row) { return row.name == name; });
    if (action == std::end(kActions)) {
      return reader.Error(key, absl::StrCat("Unknown ", key, " action \"", name, "\" specified"));
    }
    *slot = action->action;
  }
  return absl::OkStatus();
}

absl::Status ReadDisks(ConfigReader& reader, const GuestFeatures& features, GuestConfig& config) {
  const ConfigEntry* entry = reader.Find("disk");
  if (entry == nullptr) return absl::OkStatus();
  if (!entry->value.is_list) return reader.Error("disk", "is a single value but should be a list");
  std::set<uint32_t> vdevs;
  for (const ConfigAtom& atom : entry->value.atoms) {
    absl::StatusOr<DiskSpec> disk = ParseDiskSpec(atom.text);
    if (!disk.ok()) return reader.Error("disk", atom, disk.status().message());
    if (!vdevs.insert(disk->vdev_number).second) {
      return reader.Error("disk", atom, absl::StrCat("vdev ", disk->vdev, " is used twice"));
    }
    config.disks.push_back(*std::move(disk));
  }
  for (size_t i = 0; i < config.disks.size(); ++i) {
    if (!features.disks)
      return reader.NotYet("disk", entry->value.atoms[i], "disks are not yet supported");
    const absl::Status status = PrepareDisk(config.disks[i]);
    if (absl::IsUnimplemented(status))
      return reader.NotYet("disk", entry->value.atoms[i], status.message());
    if (!status.ok()) return reader.Error("disk", entry->value.atoms[i], status.message());
  }
  if (config.disks.size() > kMaxDisks)
    return reader.Error("disk", absl::StrCat("more than ", kMaxDisks, " disks"));
  return absl::OkStatus();
}

absl::Status ReadVifs(ConfigReader& reader, const GuestFeatures& features, GuestConfig& config) {
  const ConfigEntry* entry = reader.Find("vif");
  if (entry == nullptr) return absl::OkStatus();
  if (!entry->value.is_list) return reader.Error("vif", "is a single value but should be a list");
  std::set<uint32_t> devids;
  for (const ConfigAtom& atom : entry->value.atoms) {
    absl::StatusOr<VifSpec> vif = ParseVifSpec(atom.text);
    if (!vif.ok()) return reader.Error("vif", atom, vif.status().message());
    if (!vif->devid.has_value()) vif->devid = static_cast<uint32_t>(config.vifs.size());
    if (!devids.insert(*vif->devid).second) {
      return reader.Error("vif", atom, absl::StrCat("devid ", *vif->devid, " is used twice"));
    }
    config.vifs.push_back(*std::move(vif));
  }
  if (!config.vifs.empty() && !features.vifs) {
    return reader.NotYet("vif", entry->value.atoms.front(),
                         "network interfaces are not yet supported");
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view ShutdownActionName(ShutdownAction action) {
  for (const ActionName& row : kActions) {
    if (row.action == action) return row.name;
  }
  return "";
}

bool IsValidGuestName(absl::string_view name) {
  constexpr absl::string_view kMarks = "._+@:-";
  if (name.empty() || name.size() > kMaxNameBytes || !absl::ascii_isalnum(name.front()))
    return false;
  const auto valid = [&](char c) {
    return absl::ascii_isalnum(c) || kMarks.find(c) != absl::string_view::npos;
  };
  return std::all_of(name.begin(), name.end(), valid) &&
         !std::all_of(name.begin(), name.end(), absl::ascii_isdigit);
}

absl::StatusOr<std::string> ParseUuid(absl::string_view text) {
  constexpr absl::string_view kPattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  bool valid = text.size() == kPattern.size();
  for (size_t i = 0; valid && i < text.size(); ++i) {
    valid = kPattern[i] == 'x' ? absl::ascii_isxdigit(text[i]) : text[i] == '-';
  }
  if (!valid) return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no UUID"));
  return absl::AsciiStrToLower(text);
}

absl::StatusOr<GuestConfig> ParseGuestConfig(absl::string_view source, const ConfigEntries& entries,
                                             const GuestFeatures& features,
                                             std::vector<std::string>& warnings) {
  WarnAboutKeys(entries, warnings);
  ConfigReader reader(source, entries);
  GuestConfig config;
  if (absl::Status status = ReadIdentity(reader, config); !status.ok()) return status;
  if (absl::Status status = ReadKind(reader); !status.ok()) return status;
  if (absl::Status status = ReadBoot(reader, config, warnings); !status.ok()) return status;
  if (absl::Status status = ReadMemory(reader, config); !status.ok()) return status;
  if (absl::Status status = ReadCpus(reader, config); !status.ok()) return status;
  if (absl::Status status = ReadActions(reader, config); !status.ok()) return status;
  if (absl::Status status = ReadDisks(reader, features, config); !status.ok()) return status;
  if (absl::Status status = ReadVifs(reader, features, config); !status.ok()) return status;
  return config;
}

}  // namespace pyrene::xl
