// SPDX-License-Identifier: Apache-2.0
#include "services/xl/disk_spec.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/xl/plain_text.h"
#include "services/xl/vdev.h"

namespace pyrene::xl {
namespace {

template <typename T>
struct Named {
  absl::string_view name;
  T value;
};

constexpr Named<DiskSpec::Format> kFormats[] = {
    {"raw", DiskSpec::Format::kRaw},     {"qcow", DiskSpec::Format::kQcow},
    {"qcow2", DiskSpec::Format::kQcow2}, {"vhd", DiskSpec::Format::kVhd},
    {"qed", DiskSpec::Format::kQed},     {"empty", DiskSpec::Format::kEmpty},
};
constexpr Named<DiskSpec::BackendType> kBackendTypes[] = {
    {"phy", DiskSpec::BackendType::kPhy},
    {"qdisk", DiskSpec::BackendType::kQdisk},
    {"standalone", DiskSpec::BackendType::kStandalone},
    {"tap", DiskSpec::BackendType::kTap},
};
constexpr Named<DiskSpec::Specification> kSpecifications[] = {
    {"xen", DiskSpec::Specification::kXen},
    {"virtio", DiskSpec::Specification::kVirtio},
};

// Old prefixes.  A format is set by some, a script by others, the rest is only removed.
struct Prefix {
  absl::string_view name;
  std::optional<DiskSpec::Format> format;
  bool script = false;
  std::optional<DiskSpec::Source> source;
};
constexpr Prefix kPrefixes[] = {
    {"phy", std::nullopt, false, DiskSpec::Source::kPhy},
    {"file", std::nullopt, false, DiskSpec::Source::kFile},
    {"ram", std::nullopt, false, DiskSpec::Source::kRam},
    {"raw", DiskSpec::Format::kRaw, false, std::nullopt},
    {"qcow", DiskSpec::Format::kQcow, false, std::nullopt},
    {"qcow2", DiskSpec::Format::kQcow2, false, std::nullopt},
    {"vhd", DiskSpec::Format::kVhd, false, std::nullopt},
    {"iscsi", std::nullopt, true, std::nullopt},
    {"nbd", std::nullopt, true, std::nullopt},
    {"enbd", std::nullopt, true, std::nullopt},
    {"drbd", std::nullopt, true, std::nullopt},
    {"tap", std::nullopt, false, std::nullopt},
    {"tap2", std::nullopt, false, std::nullopt},
    {"tapdisk", std::nullopt, false, std::nullopt},
    {"aio", std::nullopt, false, std::nullopt},
    {"ioemu", std::nullopt, false, std::nullopt},
};

template <typename T, size_t N>
const T* Lookup(const Named<T> (&table)[N], absl::string_view name) {
  for (const Named<T>& row : table) {
    if (row.name == name) return &row.value;
  }
  return nullptr;
}

class Parser {
 public:
  explicit Parser(absl::string_view whole) : whole_(whole) {}

  absl::Status Feed(absl::string_view rest) {
    for (;;) {
      rest = absl::StripLeadingAsciiWhitespace(rest);
      if (rest.empty()) return absl::OkStatus();
      if (absl::ConsumePrefix(&rest, "target=")) return SetText("target", rest, target_);
      if (!target_.has_value()) {
        absl::StatusOr<bool> prefix = TakePrefix(rest);
        if (!prefix.ok()) return prefix.status();
        if (*prefix) continue;
      }
      const size_t comma = rest.find(',');
      const absl::string_view parameter = absl::StripTrailingAsciiWhitespace(rest.substr(0, comma));
      if (absl::Status status = Parameter(parameter); !status.ok()) return status;
      if (comma == absl::string_view::npos) return absl::OkStatus();
      rest.remove_prefix(comma + 1);
    }
  }

  absl::StatusOr<DiskSpec> Finish();

 private:
  absl::Status Error(absl::string_view what, absl::string_view near = "") const {
    return absl::InvalidArgumentError(
        absl::StrCat("disk '", whole_, "': ", what, near.empty() ? "" : ": ",
                     near.empty() ? "" : absl::StrCat("'", near, "'")));
  }
  absl::Status Respecified(absl::string_view what, absl::string_view near) const {
    return Error(absl::StrCat(what, " given twice"), near);
  }

  // Empty text may be given again, as the default may be replaced.
  absl::Status SetText(absl::string_view what, absl::string_view value,
                       std::optional<std::string>& slot) {
    if (slot.has_value() && !slot->empty() && *slot != value) return Respecified(what, value);
    slot = std::string(value);
    return absl::OkStatus();
  }
  template <typename T>
  absl::Status SetOnce(absl::string_view what, absl::string_view text, T value,
                       std::optional<T>& slot) {
    if (slot.has_value() && *slot != value) return Respecified(what, text);
    slot = value;
    return absl::OkStatus();
  }
  template <typename T, size_t N>
  absl::Status SetNamed(absl::string_view what, absl::string_view text, const Named<T> (&table)[N],
                        std::optional<T>& slot) {
    const T* value = Lookup(table, text);
    if (value == nullptr) return Error(absl::StrCat("unknown ", what), text);
    return SetOnce(what, text, *value, slot);
  }

  absl::Status SetFormat(absl::string_view text) {
    return SetNamed("format", text.empty() ? "raw" : text, kFormats, format_);
  }
  absl::Status SetAccess(absl::string_view text) {
    if (text == "r" || text == "ro") return SetOnce("access", text, true, read_only_);
    if (text == "w" || text == "rw" || text.empty())
      return SetOnce("access", text, false, read_only_);
    return Error("unknown access", text);
  }
  absl::Status SetDeviceType(absl::string_view text) {
    if (text == "cdrom" || text == "disk") return SetOnce("devtype", text, text == "cdrom", cdrom_);
    return Error("unknown devtype", text);
  }

  absl::StatusOr<bool> TakePrefix(absl::string_view& rest);
  absl::Status Parameter(absl::string_view parameter);
  absl::Status Assignment(absl::string_view key, absl::string_view value);
  absl::Status Positional(absl::string_view value);
  absl::StatusOr<bool> VdevWithType(absl::string_view value);
  absl::Status ParseRamSize(DiskSpec& spec) const;

  absl::string_view whole_;
  bool had_prefix_ = false;
  bool access_seen_ = false;  // as a positional parameter
  std::optional<std::string> target_, vdev_, backend_, script_;
  std::optional<DiskSpec::Source> source_;
  std::optional<DiskSpec::Format> format_;
  std::optional<DiskSpec::BackendType> backend_type_;
  std::optional<DiskSpec::Specification> specification_;
  std::optional<bool> read_only_, cdrom_, discard_, trusted_, grant_usage_;
  bool direct_io_safe_ = false;
};

// Removes one old prefix from the beginning of `rest`; false when there is none.
absl::StatusOr<bool> Parser::TakePrefix(absl::string_view& rest) {
  const size_t end = rest.find_first_of(":,=/ ");
  if (end == absl::string_view::npos || rest[end] != ':') return false;
  const absl::string_view name = rest.substr(0, end);
  const Prefix* found = nullptr;
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.name == name) found = &prefix;
  }
  if (found == nullptr) {
    // "x:/path" was meant as a prefix; "hdc:cdrom" and the like are not.
    const bool path_follows = end + 1 < rest.size() && rest[end + 1] == '/';
    if (path_follows) return Error("unknown prefix", rest.substr(0, end + 1));
    return false;
  }
  had_prefix_ = true;
  absl::Status status;
  if (found->format.has_value()) status = SetOnce("format", name, *found->format, format_);
  if (found->script) status = SetText("script", absl::StrCat("block-", name), script_);
  if (found->source.has_value()) status = SetOnce("kind of target", name, *found->source, source_);
  if (!status.ok()) return status;
  rest.remove_prefix(end + 1);
  return true;
}

absl::Status Parser::Parameter(absl::string_view parameter) {
  const size_t equals = parameter.find('=');
  if (equals != absl::string_view::npos)
    return Assignment(parameter.substr(0, equals), parameter.substr(equals + 1));
  if (parameter == "cdrom") return SetDeviceType(parameter);
  if (parameter == "direct-io-safe") {
    direct_io_safe_ = true;
    return absl::OkStatus();
  }
  if (parameter == "discard" || parameter == "no-discard")
    return SetOnce("discard", parameter, parameter == "discard", discard_);
  if (parameter == "trusted" || parameter == "untrusted")
    return SetOnce("trusted", parameter, parameter == "trusted", trusted_);
  return Positional(parameter);
}

absl::Status Parser::Assignment(absl::string_view key, absl::string_view value) {
  if (key == "format") return SetFormat(value);
  if (key == "vdev") return SetText(key, value, vdev_);
  if (key == "access") return SetAccess(value);
  if (key == "devtype") return SetDeviceType(value);
  if (key == "backend") return SetText(key, value, backend_);
  if (key == "backendtype") return SetNamed(key, value, kBackendTypes, backend_type_);
  if (key == "specification") return SetNamed(key, value, kSpecifications, specification_);
  if (key == "script") return SetText(key, value, script_);
  if (key == "grant_usage") {
    if (value != "0" && value != "1") return Error("grant_usage is 0 or 1", value);
    return SetOnce(key, value, value == "1", grant_usage_);
  }
  return Error("unknown parameter", key);
}

// "vdev:cdrom" and "vdev:disk".  False: it is none of them, and nothing was done.
absl::StatusOr<bool> Parser::VdevWithType(absl::string_view value) {
  const size_t colon = value.rfind(':');
  if (colon == absl::string_view::npos) return false;
  if (absl::Status status = SetText("vdev", value.substr(0, colon), vdev_); !status.ok())
    return status;
  if (absl::Status status = SetDeviceType(value.substr(colon + 1)); !status.ok()) return status;
  return true;
}

absl::Status Parser::Positional(absl::string_view value) {
  if (!target_.has_value()) return SetText("target", value, target_);
  // After a prefix the old order applies, without a format.  ram: has no old order to be true to:
  // both are understood.
  const bool format_is_next =
      !format_.has_value() &&
      (!had_prefix_ || (source_ == DiskSpec::Source::kRam &&
                        (value.empty() || Lookup(kFormats, value) != nullptr)));
  if (format_is_next) {
    if (target_->empty()) {
      absl::StatusOr<bool> done = VdevWithType(value);
      if (!done.ok()) return done.status();
      if (*done) return SetFormat("empty");
    }
    return SetFormat(value);
  }
  if (!vdev_.has_value() || vdev_->empty()) {
    absl::StatusOr<bool> done = VdevWithType(value);
    if (!done.ok()) return done.status();
    return *done ? absl::OkStatus() : SetText("vdev", value, vdev_);
  }
  if (!access_seen_) {
    access_seen_ = true;
    return SetAccess(value);
  }
  return Error("too many parameters", value);
}

absl::Status Parser::ParseRamSize(DiskSpec& spec) const {
  absl::string_view digits = spec.target;
  int shift = 0;
  if (!digits.empty()) {
    switch (absl::ascii_toupper(digits.back())) {
      case 'K':
        shift = 10;
        break;
      case 'M':
        shift = 20;
        break;
      case 'G':
        shift = 30;
        break;
      default:
        break;
    }
  }
  if (shift != 0) digits.remove_suffix(1);
  uint64_t size = 0;
  if (digits.empty() || !absl::ascii_isdigit(digits.front()) || !absl::SimpleAtoi(digits, &size) ||
      size == 0 || size > (uint64_t{1} << 40 >> shift) || (size << shift) % 512 != 0) {
    return Error("ram: needs a size in sectors of 512 bytes, such as 64M", spec.target);
  }
  spec.ram_bytes = size << shift;
  return absl::OkStatus();
}

absl::StatusOr<DiskSpec> Parser::Finish() {
  DiskSpec spec;
  spec.target = std::move(target_).value_or("");
  spec.source = source_.value_or(DiskSpec::Source::kPath);
  spec.format = format_.value_or(DiskSpec::Format::kRaw);
  spec.vdev = std::move(vdev_).value_or("");
  spec.backend = std::move(backend_).value_or("");
  spec.backend_type = backend_type_.value_or(DiskSpec::BackendType::kAny);
  spec.script = std::move(script_).value_or("");
  spec.direct_io_safe = direct_io_safe_;
  spec.discard = discard_;
  spec.trusted = trusted_.value_or(true);
  spec.specification = specification_.value_or(DiskSpec::Specification::kXen);
  spec.grant_usage = grant_usage_;
  spec.cdrom = cdrom_.value_or(false);
  spec.removable = spec.cdrom;
  spec.read_only = spec.cdrom || read_only_.value_or(false);
  if (spec.cdrom && spec.target.empty()) spec.format = DiskSpec::Format::kEmpty;
  if (spec.vdev.empty()) return Error("no vdev given");
  if (spec.target.empty() && !spec.removable) return Error("no target given");
  absl::StatusOr<uint32_t> number = ParseVdev(spec.vdev);
  if (!number.ok()) return Error(number.status().message());
  spec.vdev_number = *number;
  if (spec.source == DiskSpec::Source::kRam) {
    if (absl::Status status = ParseRamSize(spec); !status.ok()) return status;
  }
  return spec;
}

}  // namespace

absl::StatusOr<DiskSpec> ParseDiskSpec(absl::string_view text) {
  const std::string part(text);
  return ParseDiskSpecParts(absl::MakeConstSpan(&part, 1));
}

absl::StatusOr<DiskSpec> ParseDiskSpecParts(absl::Span<const std::string> parts) {
  std::string whole;
  for (const std::string& part : parts) {
    if (whole.size() + part.size() > kMaxDiskSpecBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("the disk specification is longer than ", kMaxDiskSpecBytes, " bytes"));
    }
    absl::StrAppend(&whole, whole.empty() ? "" : " ", part);
  }
  if (!IsPlainText(whole))
    return absl::InvalidArgumentError("the disk specification contains a control character");
  Parser parser(whole);
  for (const std::string& part : parts) {
    if (absl::Status status = parser.Feed(part); !status.ok()) return status;
  }
  return parser.Finish();
}

absl::string_view DiskFormatName(DiskSpec::Format format) {
  for (const auto& row : kFormats) {
    if (row.value == format) return row.name;
  }
  return "";
}

absl::string_view BackendTypeName(DiskSpec::BackendType type) {
  for (const auto& row : kBackendTypes) {
    if (row.value == type) return row.name;
  }
  return "";
}

}  // namespace pyrene::xl
