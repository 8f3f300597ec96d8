// SPDX-License-Identifier: Apache-2.0
// Writes JSON in the layout of `xl list -l`: four spaces a level, one member a line, and an empty
// line inside empty objects and arrays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

// Calls must nest as JSON does: inside an object a Key before each value.
class JsonWriter {
 public:
  void OpenObject() { Open('{'); }
  void CloseObject() { Close('}'); }
  void OpenArray() { Open('['); }
  void CloseArray() { Close(']'); }
  void Key(absl::string_view key);
  void String(absl::string_view value);
  void Integer(uint64_t value);

  void Member(absl::string_view key, absl::string_view value) {
    Key(key);
    String(value);
  }
  void Member(absl::string_view key, uint64_t value) {
    Key(key);
    Integer(value);
  }

  // The text so far, with a newline at its end.
  std::string Take() &&;

 private:
  void Open(char bracket);
  void Close(char bracket);
  void BeginValue();
  void Indent();
  void Quote(absl::string_view value);

  std::string text_;
  std::vector<bool> has_members_;  // of each open object or array
  bool after_key_ = false;
};

}  // namespace pyrene::xl
