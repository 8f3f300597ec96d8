// SPDX-License-Identifier: Apache-2.0
#include "services/xl/config_reader.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/xl/plain_text.h"

namespace pyrene::xl {
namespace {

std::string At(const ConfigEntry& entry, int line, absl::string_view what) {
  return absl::StrCat(entry.location.source, ":", line, ": ", entry.key, ": ", what);
}

}  // namespace

// Null when the key is absent.
absl::Status ConfigReader::Atom(absl::string_view key, const ConfigAtom*& atom) const {
  const ConfigEntry* entry = Find(key);
  atom = nullptr;
  if (entry == nullptr) return absl::OkStatus();
  if (entry->value.is_list) return Error(key, "is a list but should be a single value");
  atom = &entry->value.atoms.front();
  return absl::OkStatus();
}

absl::Status ConfigReader::Text(absl::string_view key, size_t max, std::string& value) const {
  const ConfigAtom* atom = nullptr;
  if (absl::Status status = Atom(key, atom); !status.ok() || atom == nullptr) return status;
  if (atom->text.size() > max) return Error(key, absl::StrCat("is longer than ", max, " bytes"));
  if (!IsPlainText(atom->text)) return Error(key, "contains a control character");
  value = atom->text;
  return absl::OkStatus();
}

absl::Status ConfigReader::Integer(absl::string_view key, int64_t min, int64_t max,
                                   int64_t& value) const {
  const ConfigAtom* atom = nullptr;
  if (absl::Status status = Atom(key, atom); !status.ok() || atom == nullptr) return status;
  absl::StatusOr<int64_t> number = ConfigInteger(*atom);
  if (!number.ok()) return Error(key, number.status().message());
  if (*number < min || *number > max)
    return Error(key, absl::StrCat(*number, " is not in the range ", min, "..", max));
  value = *number;
  return absl::OkStatus();
}

absl::Status ConfigReader::Error(absl::string_view key, absl::string_view what) const {
  const ConfigEntry& entry = *Find(key);
  return absl::InvalidArgumentError(At(entry, entry.location.line, what));
}

absl::Status ConfigReader::Error(absl::string_view key, const ConfigAtom& atom,
                                 absl::string_view what) const {
  return absl::InvalidArgumentError(At(*Find(key), atom.line, what));
}

absl::Status ConfigReader::NotYet(absl::string_view key, const ConfigAtom& atom,
                                  absl::string_view what) const {
  return absl::UnimplementedError(At(*Find(key), atom.line, what));
}

absl::Status ConfigReader::Missing(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(source_, ": ", what));
}

}  // namespace pyrene::xl
