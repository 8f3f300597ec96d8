// SPDX-License-Identifier: Apache-2.0
// What a terminal sends, byte by byte, as keys: UTF-8 characters, control characters, and the
// escape sequences of ECMA-48 and of the VT100 for keys that move.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pyrene::xl {

enum class KeyCode {
  kText,  // one printable character, in KeyPress::text
  kEnter,
  kTab,
  kBackspace,
  kDelete,
  kLeft,
  kRight,
  kUp,
  kDown,
  kHome,
  kEnd,
  kWordLeft,
  kWordRight,
  kDeleteWord,     // Alt-d
  kBackspaceWord,  // Alt-Backspace
  kControl,        // Ctrl with KeyPress::letter, 'a'..'z'
  kInvalid,        // a byte that begins nothing we know, or a broken sequence
};

struct KeyPress {
  KeyCode code = KeyCode::kInvalid;
  std::string text;
  char letter = '\0';
};

class KeyDecoder {
 public:
  // No key: a sequence goes on, or it was one of a key without meaning.  CR, LF and CR LF are one
  // kEnter each.
  std::optional<KeyPress> Feed(uint8_t byte);

 private:
  enum class State { kGround, kEscape, kCsi, kCsiLinux, kSs3, kUtf8 };

  std::optional<KeyPress> Ground(uint8_t byte);
  std::optional<KeyPress> Escape(uint8_t byte);
  std::optional<KeyPress> Csi(uint8_t byte);
  std::optional<KeyPress> Ss3(uint8_t byte);
  std::optional<KeyPress> Continuation(uint8_t byte);

  State state_ = State::kGround;
  bool after_carriage_return_ = false;
  std::string sequence_;  // of kCsi its parameters, of kUtf8 its bytes
  size_t length_ = 0;     // of the UTF-8 sequence
};

}  // namespace pyrene::xl
