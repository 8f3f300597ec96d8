// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/device_tree.h"

#include <libfdt.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/vmm/xen_interface.h"

namespace pyrene::vmm {
namespace {

constexpr uint32_t kGicPhandle = 65000;

// GIC interrupt specifiers: PPI (1), number - 16, level-triggered active-low for all eight CPUs.
constexpr uint32_t kPpi = 1;
constexpr uint32_t kLevelLow = 0xf08;
constexpr uint32_t kFirstPpi = 16;
constexpr uint32_t kSecurePhysicalTimerPpi = 29;
constexpr uint32_t kPhysicalTimerPpi = 30;

// libfdt's sequential writer. After an error nothing more is written, and finish() tells it.
class Writer {
 public:
  explicit Writer(std::span<uint8_t> out) : tree_(out.data()) {
    Check(fdt_create(tree_, static_cast<int>(out.size())));
    Check(fdt_finish_reservemap(tree_));
  }

  void Begin(const std::string& name) { Check(fdt_begin_node(tree_, name.c_str())); }
  void End() { Check(fdt_end_node(tree_)); }

  void Bytes(const char* name, const void* data, size_t size) {
    Check(fdt_property(tree_, name, data, static_cast<int>(size)));
  }
  void Empty(const char* name) { Bytes(name, nullptr, 0); }
  void Cell(const char* name, uint32_t value) { Check(fdt_property_u32(tree_, name, value)); }
  void Cells(const char* name, std::initializer_list<uint32_t> values) {
    std::string data;
    for (const uint32_t value : values) Append(&data, value);
    Bytes(name, data.data(), data.size());
  }
  void Wide(const char* name, std::initializer_list<uint64_t> values) {
    std::string data;
    for (const uint64_t value : values) {
      Append(&data, static_cast<uint32_t>(value >> 32));
      Append(&data, static_cast<uint32_t>(value));
    }
    Bytes(name, data.data(), data.size());
  }
  void Text(const char* name, std::string_view text) {
    std::string data(text);
    Bytes(name, data.c_str(), data.size() + 1);
  }
  void Texts(const char* name, std::initializer_list<std::string_view> texts) {
    std::string data;
    for (const std::string_view text : texts) {
      data.append(text);
      data.push_back('\0');
    }
    Bytes(name, data.data(), data.size());
  }

  absl::StatusOr<uint64_t> Finish() {
    Check(fdt_finish(tree_));
    if (error_ == -FDT_ERR_NOSPACE) {
      return absl::ResourceExhaustedError(
          "the guest's device tree does not fit; is the command line too long?");
    }
    if (error_ != 0) {
      return absl::InternalError(
          absl::StrCat("building the guest's device tree: ", fdt_strerror(error_)));
    }
    return fdt_totalsize(tree_);
  }

 private:
  static void Append(std::string* data, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) data->push_back(static_cast<char>(value >> shift));
  }
  void Check(int result) {
    if (error_ == 0 && result < 0) error_ = result;
  }

  void* tree_;
  int error_ = 0;
};

std::string Version() { return absl::StrCat(xen::kVersionMajor, ".", xen::kVersionMinor); }

void Chosen(Writer& w, const DeviceTreeConfig& config) {
  w.Begin("chosen");
  w.Text("bootargs", config.command_line);
  if (config.initrd_end != config.initrd_start) {
    w.Wide("linux,initrd-start", {config.initrd_start});
    w.Wide("linux,initrd-end", {config.initrd_end});
  }
  if (!config.seed.empty()) w.Bytes("rng-seed", config.seed.data(), config.seed.size());
  w.End();
}

void Cpus(Writer& w, uint32_t vcpus) {
  w.Begin("cpus");
  w.Cell("#address-cells", 1);
  w.Cell("#size-cells", 0);
  for (uint32_t i = 0; i < vcpus; ++i) {
    w.Begin(absl::StrCat("cpu@", i));
    w.Text("device_type", "cpu");
    w.Text("compatible", "arm,armv8");
    w.Text("enable-method", "psci");
    w.Cell("reg", i);
    w.End();
  }
  w.End();
}

void Psci(Writer& w) {
  w.Begin("psci");
  w.Texts("compatible", {"arm,psci-1.0", "arm,psci-0.2", "arm,psci"});
  w.Text("method", "hvc");
  w.Cell("cpu_off", 1);
  w.Cell("cpu_on", 2);
  w.End();
}

void Memory(Writer& w, const DeviceTreeConfig::Bank& bank) {
  if (bank.bytes == 0) return;
  w.Begin(absl::StrCat("memory@", absl::Hex(bank.base)));
  w.Text("device_type", "memory");
  w.Wide("reg", {bank.base, bank.bytes});
  w.End();
}

void InterruptController(Writer& w) {
  w.Begin(absl::StrCat("interrupt-controller@", absl::Hex(xen::kGicdBase)));
  w.Texts("compatible", {"arm,cortex-a15-gic", "arm,cortex-a9-gic"});
  w.Cell("#interrupt-cells", 3);
  w.Cell("#address-cells", 0);
  w.Empty("interrupt-controller");
  w.Wide("reg", {xen::kGicdBase, xen::kGicdSize, xen::kGiccBase, xen::kGiccSize});
  w.Cell("linux,phandle", kGicPhandle);
  w.Cell("phandle", kGicPhandle);
  w.End();
}

void Timer(Writer& w) {
  w.Begin("timer");
  w.Text("compatible", "arm,armv8-timer");
  w.Cell("interrupt-parent", kGicPhandle);
  w.Cells("interrupts", {kPpi, kSecurePhysicalTimerPpi - kFirstPpi, kLevelLow,  //
                         kPpi, kPhysicalTimerPpi - kFirstPpi, kLevelLow,        //
                         kPpi, xen::kTimerPpi - kFirstPpi, kLevelLow});
  w.End();
}

void Hypervisor(Writer& w) {
  w.Begin("hypervisor");
  w.Texts("compatible", {absl::StrCat("xen,xen-", Version()), "xen,xen"});
  w.Wide("reg", {xen::kGrantWindowBase, xen::kGrantWindowSize});
  w.Cells("interrupts", {kPpi, xen::kUpcallPpi - kFirstPpi, kLevelLow});
  w.Cell("interrupt-parent", kGicPhandle);
  w.End();
}

}  // namespace

absl::StatusOr<uint64_t> BuildDeviceTree(const DeviceTreeConfig& config, std::span<uint8_t> out) {
  Writer w(out);
  w.Begin("");
  w.Text("model", absl::StrCat("XENVM-", Version()));
  w.Texts("compatible", {absl::StrCat("xen,xenvm-", Version()), "xen,xenvm"});
  w.Cell("interrupt-parent", kGicPhandle);
  w.Cell("#address-cells", 2);
  w.Cell("#size-cells", 2);
  Chosen(w, config);
  Cpus(w, config.vcpus);
  Psci(w);
  Memory(w, config.banks[0]);
  Memory(w, config.banks[1]);
  InterruptController(w);
  Timer(w);
  Hypervisor(w);
  w.End();
  return w.Finish();
}

}  // namespace pyrene::vmm
