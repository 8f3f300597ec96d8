// SPDX-License-Identifier: Apache-2.0
//
// GoogleTest as the root service. Words of the bundle's `cmdline` that begin with --gtest_ are its
// options; NAME=VALUE are read by tests (Option in fixture.h). The last line tells the script
// (tests/kernel/*.test) how it went.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/kernel/cap_allocator.h"
#include "runtime/kernel/syscall.h"
#include "tests/kernel/fixture.h"
#include "tests/kernel/program.h"
#include "tests/kernel/task.h"
#include "tests/kernel/uart.h"

namespace {

using namespace pyrene;               // NOLINT(google-build-using-namespace)
using namespace pyrene::kernel_test;  // NOLINT(google-build-using-namespace)

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

// A test that takes so long hangs.
constexpr uint64_t kMostSeconds = 600;

// Says so, with whatever is still alive: on the first and on the last CPU, as urgent as the tests.
class Watchdog : public testing::EmptyTestEventListener {
 public:
  Watchdog() {
    for (const uint32_t cpu : {uint32_t{0}, Boot().cpus - 1}) {
      const CapIndex bell = runtime::Caps().Allocate();
      if (sys::NotificationCreate(bell) != Status::kOk) abort();
      dogs_.push_back(std::make_unique<TaskOf<Dog>>(On(cpu, kPriorities - 1), Dog{this, bell}));
    }
    for (auto& dog : dogs_) (*dog)->Start();
  }
  void OnTestStart(const testing::TestInfo& info) override {
    snprintf(message_, sizeof(message_),
             "\n[  FAILED  ] %s.%s: not finished after %u s\nkernel tests: failed\n",
             info.test_suite_name(), info.name(), static_cast<unsigned>(kMostSeconds));
    deadline_ = InMilliseconds(kMostSeconds * 1000);
  }
  void OnTestEnd(const testing::TestInfo&) override { deadline_ = kNone; }

 private:
  struct Dog {
    Watchdog* watch;
    CapIndex bell;
    void operator()() const {
      for (;;) {
        static_cast<void>(sys::NotificationWait(bell, 1, InMilliseconds(500)));
        uint64_t deadline = watch->deadline_;
        if (sys::Ticks() > deadline && watch->deadline_.compare_exchange_strong(deadline, kNone))
          Print(watch->message_);
      }
    }
  };
  static constexpr uint64_t kNone = ~uint64_t{0};
  std::atomic<uint64_t> deadline_{kNone};
  char message_[256] = {};
  std::vector<std::unique_ptr<TaskOf<Dog>>> dogs_;
};

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
  testing::UnitTest::GetInstance()->listeners().Append(new Watchdog);
  testing::GTEST_FLAG(color) = "no";
  testing::GTEST_FLAG(catch_exceptions) = false;
  const int failed = RUN_ALL_TESTS();
  printf("kernel tests: %s\n", failed == 0 ? "passed" : "failed");
  fflush(stdout);
  return failed;
}
