// SPDX-License-Identifier: Apache-2.0
// As much of UTF-8 as editing a line needs: where characters begin and how many columns they take
// on a terminal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace pyrene::xl {

// Length in bytes of the sequence that this byte begins; 0 for a byte that begins none.
size_t Utf8Length(uint8_t lead);

// The code point of a complete sequence, or -1 if it is not well formed (overlong, surrogate,
// beyond U+10FFFF).
int32_t Utf8Decode(absl::string_view sequence);

// Columns of a code point: 0 for marks that combine with the character before, 2 for East Asian
// wide ones, else 1.
int CodePointWidth(int32_t code_point);

// For text that consists of well-formed sequences.  A character is a code point with the combining
// marks that follow it.

// Where the next character begins, text.size() at the end; where the one before begins, 0 at the
// beginning; the columns of the character at a position.
size_t NextCharacter(absl::string_view text, size_t position);
size_t PreviousCharacter(absl::string_view text, size_t position);
int CharacterWidth(absl::string_view text, size_t position);

}  // namespace pyrene::xl
