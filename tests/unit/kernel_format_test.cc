// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "kernel/log/format.h"

namespace pyrene {
namespace {

// Into memory of exactly `bytes`, so that a sanitizer sees a byte too many.
std::string FormatInto(size_t bytes, const char* format, ...) {
  const std::unique_ptr<char[]> buffer(new char[bytes]);
  memset(buffer.get(), '#', bytes);
  va_list arguments;
  va_start(arguments, format);
  const size_t length = Format(buffer.get(), bytes, format, arguments);
  va_end(arguments);
  EXPECT_LT(length, bytes);
  EXPECT_EQ(buffer[length], '\0');
  return {buffer.get(), length};
}

TEST(KernelFormat, Numbers) {
  EXPECT_EQ(FormatInto(64, "%d %d %d", 0, 42, -42), "0 42 -42");
  EXPECT_EQ(FormatInto(64, "%u %x", 4294967295u, 0xdeadbeefu), "4294967295 deadbeef");
  EXPECT_EQ(FormatInto(64, "%ld", int64_t{INT64_MIN}), "-9223372036854775808");
  EXPECT_EQ(FormatInto(64, "%lu %lx", uint64_t{UINT64_MAX}, uint64_t{UINT64_MAX}),
            "18446744073709551615 ffffffffffffffff");
  EXPECT_EQ(FormatInto(64, "%d", INT32_MIN), "-2147483648");
}

TEST(KernelFormat, WidthAndZeros) {
  EXPECT_EQ(FormatInto(64, "[%5u][%05u][%2u]", 42u, 42u, 12345u), "[   42][00042][12345]");
  EXPECT_EQ(FormatInto(64, "%016lx", uint64_t{0x1234}), "0000000000001234");
}

TEST(KernelFormat, TextCharactersPointersPercent) {
  EXPECT_EQ(FormatInto(64, "%s-%c-%%-%s", "one", 'x', ""), "one-x-%-");
  EXPECT_EQ(FormatInto(64, "%p", reinterpret_cast<void*>(0xabc)), "0000000000000abc");
}

TEST(KernelFormat, CutsAtTheEnd) {
  EXPECT_EQ(FormatInto(1, "abc"), "");
  EXPECT_EQ(FormatInto(4, "abc"), "abc");
  EXPECT_EQ(FormatInto(4, "abcdef"), "abc");
  EXPECT_EQ(FormatInto(6, "%s%u", "abc", 12345u), "abc12");
  EXPECT_EQ(FormatInto(5, "%200u", 7u), "    ");
}

}  // namespace
}  // namespace pyrene
