// SPDX-License-Identifier: Apache-2.0
// Reads typed values out of configuration entries; each error names source, line and key.  Used by
// guest_config.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/xl/config_syntax.h"

namespace pyrene::xl {

class ConfigReader {
 public:
  // Both must outlive the reader.
  ConfigReader(absl::string_view source, const ConfigEntries& entries)
      : source_(source), entries_(entries) {}

  const ConfigEntry* Find(absl::string_view key) const { return FindConfigEntry(entries_, key); }
  bool Has(absl::string_view key) const { return Find(key) != nullptr; }

  // Read a key into `value`, which stays as it is when the key is absent.  A text of a key is at
  // most `max` bytes long and without control characters; an integer lies in min..max.
  absl::Status Text(absl::string_view key, size_t max, std::string& value) const;
  absl::Status Integer(absl::string_view key, int64_t min, int64_t max, int64_t& value) const;

  // "source:line" of a key that is there.
  std::string Where(absl::string_view key) const { return Find(key)->location.LineText(); }

  // InvalidArgument "source:line: key: what"; the second for an element of a list, which may stand
  // on a later line.
  absl::Status Error(absl::string_view key, absl::string_view what) const;
  absl::Status Error(absl::string_view key, const ConfigAtom& atom, absl::string_view what) const;
  // The same as Unimplemented.
  absl::Status NotYet(absl::string_view key, const ConfigAtom& atom, absl::string_view what) const;
  // InvalidArgument "source: what".
  absl::Status Missing(absl::string_view what) const;

 private:
  absl::Status Atom(absl::string_view key, const ConfigAtom*& atom) const;

  absl::string_view source_;
  const ConfigEntries& entries_;
};

}  // namespace pyrene::xl
