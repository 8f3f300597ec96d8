// SPDX-License-Identifier: Apache-2.0
//
// GoogleTest as the root service. Words of the bundle's `cmdline` that begin with --gtest_ are its
// options; NAME=VALUE are read by tests (Option in fixture.h). The last line tells the script
// (tests/kernel/*.test) how it went.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/kernel/syscall.h"
#include "tests/kernel/program.h"
#include "tests/kernel/uart.h"

namespace {

std::vector<std::string> Options() {
  std::vector<std::string> options = {"kernel_tests"};
  std::string word;
  for (const char c : std::string(pyrene::kernel_test::CommandLine()) + " ") {
    if (c != ' ' && c != '\n') {
      word += c;
    } else {
      if (word.rfind("--gtest_", 0) == 0) options.push_back(word);
      word.clear();
    }
  }
  return options;
}

}  // namespace

// GoogleTest insists on a working directory; the personality has no file system.
extern "C" char* getcwd(char* buffer, size_t bytes) noexcept {
  if (buffer == nullptr || bytes < 2) return nullptr;
  buffer[0] = '/';
  buffer[1] = '\0';
  return buffer;
}

int main() {
  if (!pyrene::kernel_test::MapUart() || !pyrene::kernel_test::OpenProgram()) return 1;
  std::vector<std::string> words = Options();
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int count = static_cast<int>(words.size());
  testing::InitGoogleTest(&count, arguments.data());
  testing::GTEST_FLAG(color) = "no";
  testing::GTEST_FLAG(catch_exceptions) = false;
  const int failed = RUN_ALL_TESTS();
  printf("kernel tests: %s\n", failed == 0 ? "passed" : "failed");
  fflush(stdout);
  return failed;
}
