// SPDX-License-Identifier: Apache-2.0
#include "services/init/manifest_check.h"

#include <bit>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernel/abi/syscall.h"
#include "proto/message.h"
#include "proto/ring.h"
#include "runtime/start_info.h"
#include "services/init/layout.h"

namespace pyrene::init {
namespace {

constexpr size_t kMaxServices = 32;
constexpr size_t kMaxMemories = 64;
constexpr size_t kMaxChannels = 64;
constexpr uint64_t kMaxPages = 65536;
constexpr size_t kMaxName = 18;

absl::string_view Text(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

class Checker {
 public:
  explicit Checker(proto::Manifest::Reader manifest) : manifest_(manifest) {}

  absl::Status Run() {
    Number("services", manifest_.getServices().size(), 1, kMaxServices);
    Number("memories", manifest_.getMemories().size(), 0, kMaxMemories);
    Number("channels", manifest_.getChannels().size(), 0, kMaxChannels);
    Number("maxGuests", manifest_.getMaxGuests(), 0, 32);
    if (manifest_.getCompatible().size() == 0) Bad("no `compatible` string");
    for (const auto memory : manifest_.getMemories()) CheckMemory(memory);
    std::set<std::string> names = {"init"};  // its own
    for (const auto service : manifest_.getServices()) {
      where_ = absl::StrCat("service ", Text(service.getName()));
      Name(Text(service.getName()));
      Unique(names, Text(service.getName()));
    }
    for (const auto channel : manifest_.getChannels()) CheckChannel(channel, names);
    for (const auto service : manifest_.getServices()) CheckService(service);
    if (manifest_.getMaxGuests() != 0) CheckService(manifest_.getVmm());
    return status_;
  }

 private:
  template <typename... Parts>
  void Bad(const Parts&... parts) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(absl::StrCat("manifest ", Text(manifest_.getPlatform()),
                                                      where_.empty() ? "" : ": ", where_, ": ",
                                                      parts...));
  }
  void Number(absl::string_view what, uint64_t value, uint64_t least, uint64_t most) {
    if (value < least || value > most) Bad(what, " is ", value, ", not ", least, "..", most);
  }
  void Kib(absl::string_view what, uint64_t value, uint64_t least, uint64_t most) {
    Number(what, value, least, most);
    if (value % 4 != 0) Bad(what, " is ", value, ", not a multiple of 4");
  }
  void Unique(std::set<std::string>& names, absl::string_view name) {
    if (!names.insert(std::string(name)).second) Bad("the name ", name, " is there twice");
  }
  void Name(absl::string_view name, size_t most = kMaxName) {
    if (name.empty() || name.size() > most)
      Bad("a name has ", name.size(), " bytes, not 1..", most);
    for (const char c : name) {
      const bool allowed = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
      if (!allowed) Bad("the name ", name, " has other characters than a-z 0-9 . -");
    }
  }

  void CheckMemory(proto::SharedMemory::Reader memory) {
    where_ = absl::StrCat("memory ", Text(memory.getName()));
    Name(Text(memory.getName()));
    Unique(memories_, Text(memory.getName()));
    Number("pages", memory.getPages(), 1, kMaxPages);
    Number("alignment", memory.getAlignment(), 4096, 2 << 20);
    if (!std::has_single_bit(memory.getAlignment())) Bad("alignment is no power of two");
  }

  void CheckEnd(absl::string_view service, unsigned bit, absl::string_view channel,
                const std::set<std::string>& services) {
    const std::string name(service);
    if (services.count(name) == 0 || name == "init") Bad("there is no service ", name);
    Number("bit", bit, 0, kFirstInitBit - 1);
    if (!bits_.insert({name, bit}).second) Bad("bit ", bit, " of ", name, " has another channel");
    Unique(names_[name], channel);
    Unique(names_[name], absl::StrCat(channel, ".peer"));
  }

  void CheckChannel(proto::ChannelSpec::Reader channel, const std::set<std::string>& services) {
    const absl::string_view name = Text(channel.getName());
    where_ = absl::StrCat("channel ", name);
    Name(name);
    Unique(channels_, name);
    if (channel.getClient() == channel.getServer())
      Bad("both ends are ", Text(channel.getClient()));
    // What init's own bits are is its affair.
    if (Text(channel.getClient()) != "init") {
      CheckEnd(Text(channel.getClient()), channel.getClientBit(), name, services);
    }
    if (Text(channel.getServer()) != "init") {
      CheckEnd(Text(channel.getServer()), channel.getServerBit(), name, services);
    }
    if (channel.getSchemaId() == 0) Bad("no schemaId");
    Number("ringBytes", channel.getRingBytes(), proto::kMinRingBytes, proto::kMaxRingBytes);
    if (!std::has_single_bit(channel.getRingBytes())) Bad("ringBytes is no power of two");
    Number("poolKib", channel.getPoolKib(), 0, 1 << 20);
  }

  void CheckService(proto::Service::Reader service) {
    const std::string name(Text(service.getName()));
    where_ = absl::StrCat("service ", name);
    if (service.getFile().size() == 0) Bad("no file");
    Number("arguments", service.getArguments().size(), 0, StartInfo::kMaxArguments - 1);
    size_t bytes = 0;
    for (const auto argument : service.getArguments()) bytes += argument.size() + 1;
    Number("bytes of arguments", bytes, 0, StartInfo::kMaxArgumentBytes - sizeof(kRepairArgument));
    Kib("heapKib", service.getHeapKib(), 64, 262144);
    Kib("stackKib", service.getStackKib(), 16, 1024);
    Kib("logKib", service.getLogKib(), 4, kMaxLogBytes / 1024);
    Number("quotaPages", service.getQuotaPages(), 16, kMaxPages);
    Number("priority", service.getPriority(), 1, kPriorities - 2);
    Number("cpu", service.getCpu(), 0, kMaxCpus - 1);
    Number("weight", service.getWeight(), 1, 65535);
    if ((service.getBudgetUs() == 0) != (service.getPeriodUs() == 0))
      Bad("budgetUs without periodUs");
    Number("budgetUs", service.getBudgetUs(), 0, service.getPeriodUs());
    Number("backoffMs", service.getBackoffMs(), 0, 60000);
    Number("backoffMaxMs", service.getBackoffMaxMs(), service.getBackoffMs(), 600000);
    Number("restart", static_cast<uint16_t>(service.getRestart()), 0, 3);
    std::set<std::string>& names = names_[name];
    Unique(names, "init");
    Unique(names, "init.peer");
    for (const auto capability : service.getCapabilities()) CheckCapability(names, capability);
    size_t logs = 0;
    for (const auto capability : service.getCapabilities()) {
      if (capability.isLogs()) logs = manifest_.getServices().size() + 1;
    }
    Number("capabilities", names.size() + logs, 0, StartInfo::kMaxCapabilities);
  }

  void CheckCapability(std::set<std::string>& names, proto::Capability::Reader capability) {
    const absl::string_view name = Text(capability.getName());
    if (name.empty() || name.size() >= NamedCapability::kNameBytes) {
      Bad("a capability's name has ", name.size(), " bytes, not 1..",
          NamedCapability::kNameBytes - 1);
    }
    Unique(names, name);
    switch (capability.which()) {
      case proto::Capability::DEVICE: {
        const auto device = capability.getDevice();
        if (device.getBase() % 4096 != 0)
          Bad(name, ": base 0x", absl::Hex(device.getBase()), " is no page's");
        Number(absl::StrCat(name, ": pages"), device.getPages(), 1, kMaxPages);
        break;
      }
      case proto::Capability::IRQ:
        Number(absl::StrCat(name, ": irq"), capability.getIrq(), 32, 1019);
        break;
      case proto::Capability::MEMORY:
        if (memories_.count(std::string(Text(capability.getMemory()))) == 0) {
          Bad(name, ": there is no memory ", Text(capability.getMemory()));
        }
        break;
      case proto::Capability::PORT:
      case proto::Capability::OWN_PORT:
        Bad(name, ": ports are not handed out by a manifest yet");
        break;
      default:
        if (capability.which() > proto::Capability::LOGS) Bad(name, ": unknown kind of capability");
    }
  }

  proto::Manifest::Reader manifest_;
  absl::Status status_;
  std::string where_;
  std::set<std::string> memories_;
  std::set<std::string> channels_;
  std::map<std::string, std::set<std::string>> names_;  // of each service's capabilities
  std::set<std::pair<std::string, unsigned>> bits_;
};

}  // namespace

absl::Status CheckManifest(proto::Manifest::Reader manifest) {
  proto::ErrorTrap trap;
  absl::Status status = Checker(manifest).Run();
  if (trap.caught())
    return absl::InvalidArgumentError(absl::StrCat("manifest: ", trap.status().message()));
  return status;
}

}  // namespace pyrene::init
