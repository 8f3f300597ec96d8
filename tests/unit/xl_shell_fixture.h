// SPDX-License-Identifier: Apache-2.0
//
// The shell among peers that tests play: commands are typed at the prompt.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "services/xl/shell/disk_use.h"
#include "services/xl/shell/shell.h"
#include "tests/unit/xl_fake_fs.h"
#include "tests/unit/xl_fake_peers.h"

namespace pyrene::xl {

inline constexpr char kConfig[] =
    "name = \"alpine\"\nkernel = \"guests/vmlinuz\"\nmemory = 128\ncmdline = \"console=hvc0\"\n";

class ShellTest : public testing::Test {
 protected:
  ShellTest() { init_.files["guest.cfg"] = kConfig; }

  // At the next prompt.
  void Command(const std::string& line) { When(kPrompt, line + "\r"); }
  void When(const std::string& text, const std::string& typed) {
    console_.When(text, [this, typed] { console_.Type(typed); });
  }
  void Then(const std::string& text, std::function<void()> action) {
    console_.When(text, std::move(action));
  }

  // Everything that was shown until the prompt after the last command.
  std::string Run(uint32_t generation = 1) {
    bool ended = false;
    console_.When(kPrompt, [&] {
      ended = true;
      waiter_.Stop();
    });
    const auto guard = loop_->AddTimer(runtime::MonotonicNow() + 30 * runtime::kSecond,
                                       [this] { waiter_.Stop(); });
    Terminal terminal(waiter_, console_.TakeClient(), 0);
    Toolstack toolstack(waiter_, init_.TakeClient(), 1);
    XenstoreClient xenstore(waiter_, xenstore_.TakeClient(), 2);
    FsClient fs(waiter_, fs_.TakeClient(), 3);
    EXPECT_TRUE(terminal.Start().ok() && toolstack.Start().ok() && xenstore.Start().ok() &&
                fs.Start().ok());
    Files files(toolstack, fs);
    Session session{waiter_, terminal, toolstack, xenstore, files};
    fs.SetReplayCheck([&session] { return CheckReplay(session); });
    Shell(session).Run(generation);
    loop_->CancelTimer(guard);
    for (unsigned bit = 0; bit < 4; ++bit) loop_->RemoveSource(bit);
    EXPECT_TRUE(ended) << console_.shown;
    return console_.shown;
  }

  std::unique_ptr<runtime::EventLoop> loop_ = std::move(*runtime::EventLoop::Create());
  Waiter waiter_{*loop_};
  FakeConsole console_{*loop_, 0, 8};
  FakeInit init_{*loop_, 1, 9};
  FakeXenstore xenstore_{*loop_, 2, 10};
  FakeFs fs_{*loop_, 3, 11};
};

}  // namespace pyrene::xl
