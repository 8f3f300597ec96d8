// SPDX-License-Identifier: Apache-2.0
//
// The shell against peers that this test plays.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/xl/command_table.h"
#include "services/xl/shell/commands.h"
#include "tests/unit/xl_shell_fixture.h"

namespace pyrene::xl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST_F(ShellTest, EveryDescribedCommandExists) {
  for (const CommandSpec& command : XlCommands().commands)
    EXPECT_NE(FindXlFunction(command.name), nullptr) << command.name;
  for (const CommandSpec& command : ShellCommands().commands) {
    if (command.name == "xl") continue;
    EXPECT_NE(FindShellFunction(command.name), nullptr) << command.name;
  }
}

TEST_F(ShellTest, StatusOfCommands) {
  Command("echo -n one; echo two $?");
  Command("nonsense");
  Command("echo $?; xl domid nobody; echo $?; xl list a b; echo $?");
  Command("echo 'open");
  Command("echo $?");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("onetwo 0\n"));
  EXPECT_THAT(shown, HasSubstr("nonsense: command not found"));
  EXPECT_THAT(shown, HasSubstr("127\nCan't get domid of domain name 'nobody'"));
  EXPECT_THAT(shown, HasSubstr("exist.\n1\n'xl list' takes at most 1 argument.\n"));
  EXPECT_THAT(shown, HasSubstr("not closed\n"));
  EXPECT_THAT(shown, HasSubstr("\n2\npyrene# ")) << "of a line that is none";
}

TEST_F(ShellTest, PromptBeginsALineOfItsOwn) {
  Command("echo -n text");
  EXPECT_THAT(Run(), HasSubstr("\ntext\npyrene# "));
}

TEST_F(ShellTest, AnEarlierLifesGuestKeepsTheLine) {
  console_.attached = 3;
  bool left = false;
  loop_->AddTimer(runtime::MonotonicNow() + 50 * runtime::kMillisecond, [&] {
    EXPECT_EQ(console_.shown, "");
    left = true;
    console_.EndAttachment(proto::DetachReason::ESCAPE);
  });
  EXPECT_EQ(Run(2), "\npyrene# ");
  EXPECT_TRUE(left);
}

TEST_F(ShellTest, InputIsAnsweredBeforeItIsUsed) {
  Command("echo a");
  Command("echo b");
  Run();
  EXPECT_EQ(console_.inputs_taken, 2u);
}

TEST_F(ShellTest, ListsGuests) {
  init_.guests = {{2, {"alpha", false, 131072}}, {5, {"beta", true, 65536}}};
  Command("xl list");
  Command("xl list 9");
  Command("xl domid beta; xl domname 2; xl vm-list");
  Command("xl vcpu-list alpha");
  Command("xl list -l alpha");
  Then("\"domid\": 2", [this] {
    init_.failure = "not played";
    init_.failure_code = proto::FailureCode::UNSUPPORTED;
  });
  Command("xl list -l beta");
  const std::string shown = Run();
  EXPECT_THAT(shown,
              HasSubstr("Name                                        ID   Mem VCPUs\tState\t"
                        "Time(s)\nalpha                                        2   128     1"
                        "     -b----       1.5\nbeta                                         5"
                        "    64     1     -bp---       1.5\n"));
  EXPECT_THAT(shown, HasSubstr("Error: Domain '9' does not exist.\n"));
  EXPECT_THAT(shown, HasSubstr("5\nalpha\n"));
  EXPECT_THAT(shown, HasSubstr("1.5  all / all\n"));
  EXPECT_THAT(shown, HasSubstr("\"kernel\": \"guests/vmlinuz\""));
  EXPECT_THAT(shown, HasSubstr("\"on_crash\": \"preserve\""));
  EXPECT_THAT(shown, HasSubstr("\"domid\": 5")) << "of which init says no more than its state";
}

TEST_F(ShellTest, CreatesAGuest) {
  Command("xl create guest.cfg memory=64");
  Command("xl create -p guest.cfg 'name=\"other\"'");
  Command("xl create missing.cfg");
  Command("xl create -n guest.cfg");
  Command("xl create");
  Command("xl create guest.cfg vcpus=99");
  const std::string shown = Run();
  EXPECT_THAT(init_.done,
              ElementsAre("create alpine console=hvc0", "create other console=hvc0 paused"));
  EXPECT_EQ(init_.guests[1].memory_kib, 65536u);
  EXPECT_THAT(shown, HasSubstr("\nParsing config from guest.cfg\npyrene# "));
  EXPECT_THAT(shown,
              HasSubstr("Failed to read config file: missing.cfg: No such file or directory"));
  EXPECT_THAT(shown, HasSubstr("\"max_memkb\": 131072"));
  EXPECT_THAT(shown, HasSubstr("Config file not specified\n"));
  EXPECT_THAT(shown, HasSubstr("vcpus"));
}

TEST_F(ShellTest, CreateSaysWhyNot) {
  init_.failure = "no 128 MiB are free";
  init_.failure_code = proto::FailureCode::NO_MEMORY;
  Command("xl create guest.cfg; echo status $?");
  EXPECT_THAT(Run(), HasSubstr("libxl: error: no 128 MiB are free\nstatus 1\n"));
}

TEST_F(ShellTest, CreateAtTheConsole) {
  console_.guests = {1};
  console_.on_attached = [this] {
    EXPECT_TRUE(init_.guests[1].paused) << "its first instruction comes later";
    loop_->AddTimer(runtime::MonotonicNow() + 20 * runtime::kMillisecond, [this] {
      EXPECT_FALSE(init_.guests[1].paused);
      console_.EndAttachment(proto::DetachReason::ESCAPE);
    });
  };
  Command("xl create -c guest.cfg");
  Run();
  EXPECT_THAT(init_.done, ElementsAre("create alpine console=hvc0 paused", "unpause 1"));
}

TEST_F(ShellTest, CreateIsUndoneAfterCtrlC) {
  init_.on_create = [this] {
    init_.slow = true;
    console_.Type("\x03");
  };
  Command("xl create guest.cfg");
  Then("^C\n", [this] { init_.slow = false; });
  Command("ps; ps; echo $?");  // some rounds later
  Run();
  EXPECT_THAT(init_.done, ElementsAre("create alpine console=hvc0", "destroy 1"));
}

TEST_F(ShellTest, CreateInTheForeground) {
  Command("xl create -F guest.cfg; echo gone $?");
  loop_->AddTimer(runtime::MonotonicNow() + 100 * runtime::kMillisecond, [this] {
    EXPECT_THAT(console_.shown, Not(HasSubstr("gone 0")));
    init_.guests.clear();
    init_.Event([](auto event) {
      event.setDomid(1);
      event.setDestroyed();
    });
  });
  EXPECT_THAT(Run(), HasSubstr("\ngone 0\n"));
}

TEST_F(ShellTest, AnAnswerThatDoesNotCome) {
  init_.deaf = true;
  Toolstack toolstack(waiter_, init_.TakeClient(), 1);
  ASSERT_TRUE(toolstack.Start().ok());
  const Waiter::Limit limit(waiter_, runtime::MonotonicNow() + 50 * runtime::kMillisecond);
  const absl::Status status = toolstack.Kill("console");
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_EQ(status.message(), "init did not answer within 10 s (`ps` and `xl dmesg` say more)");
}

TEST_F(ShellTest, APeerThatIsNotThere) {
  Toolstack toolstack(waiter_, init_.TakeClient(), 1);
  loop_->RemoveSource(9);
  ASSERT_TRUE(toolstack.Start().ok());
  const Waiter::Limit limit(waiter_, runtime::MonotonicNow() + 50 * runtime::kMillisecond);
  EXPECT_EQ(toolstack.Guests().status().message(),
            "init is not there within 10 s (`ps` and `xl dmesg` say more)");
}

TEST_F(ShellTest, ConsoleOfAGuest) {
  init_.guests = {{4, {"delta"}}};
  console_.guests = {4};
  console_.on_attached = [this] { console_.EndAttachment(proto::DetachReason::GUEST_GONE); };
  Command("xl console delta; echo $?");
  Command("xl console nobody");
  Command("xl console -t vuart delta");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("\n0\n"));
  EXPECT_THAT(shown, HasSubstr("nobody is an invalid domain identifier (rc=-6)\n"));
  EXPECT_THAT(shown, HasSubstr("console type supported are: pv\n"));
}

TEST_F(ShellTest, AttachSurvivesConsole) {
  init_.guests = {{4, {"delta"}}};
  console_.guests = {4};
  unsigned attached = 0;
  console_.on_attached = [&] {
    // The first time console dies with the request, and forgets it.
    if (++attached == 1) {
      console_.attached = 0;
      console_.Restart();
    } else {
      console_.EndAttachment(proto::DetachReason::ESCAPE);
    }
  };
  Command("xl console delta");
  Run();
  EXPECT_EQ(attached, 2u);
}

TEST_F(ShellTest, TextSurvivesConsole) {
  console_.takes_text = false;
  Command("echo first");
  Then("first\n", [this] { console_.Restart(); });
  Then("first\n", [this] { console_.takes_text = true; });
  Run();
}

TEST_F(ShellTest, LongOutputWaitsForConsole) {
  init_.files["big"] = std::string(200000, 'x') + "end\n";
  Command("cat big");
  const std::string shown = Run();
  EXPECT_EQ(std::count(shown.begin(), shown.end(), 'x'), 200000);
}

TEST_F(ShellTest, ControlsGuests) {
  init_.guests = {{3, {"gamma"}}};
  Command("xl pause gamma; xl unpause 3; xl rename gamma new.name; xl destroy new.name");
  Command("xl destroy gamma; echo $?; xl pause 77");
  const std::string shown = Run();
  EXPECT_THAT(init_.done, ElementsAre("pause 3", "unpause 3", "rename 3", "destroy 3"));
  EXPECT_EQ(xenstore_.nodes["/local/domain/3/name"], "new.name");
  EXPECT_THAT(shown, HasSubstr("gamma is an invalid domain identifier (rc=-6)\n1\n"));
  EXPECT_THAT(shown, HasSubstr("77 is an invalid domain identifier (rc=-21)\n"));
}

TEST_F(ShellTest, SchedulesGuests) {
  init_.guests = {{3, {"gamma"}}};
  Command("xl vcpu-set gamma 2; xl vcpu-pin gamma 0 0-1,^0; xl vcpu-pin 3 all all 2");
  Command("xl sched-credit2 -d gamma -w 512; xl sched-credit2 -d gamma -c 40");
  Command("xl sched-credit2");
  const std::string shown = Run();
  EXPECT_THAT(init_.done,
              ElementsAre("schedule 3 vcpus 2", "schedule 3 vcpu 0 hard 2 soft ffffffffffffffff",
                          "schedule 3 vcpu 0 hard ffffffffffffffff soft 4",
                          "schedule 3 weight 512 cap 0", "schedule 3 weight 256 cap 40"));
  EXPECT_THAT(shown, HasSubstr("Name                                ID Weight  Cap\n"
                               "gamma                                3    256    0\n"));
}

TEST_F(ShellTest, RefusesSchedulesThatAreNone) {
  init_.guests = {{3, {"gamma"}}};
  Command("xl vcpu-set gamma 0; xl vcpu-set gamma 9; xl vcpu-set gamma x; xl vcpu-set nobody 1");
  Command("xl vcpu-pin gamma 8 all; xl vcpu-pin gamma 5 all; xl vcpu-pin gamma 0 ^0; echo =$?");
  Command(
      "xl sched-credit2 -w 3; xl sched-credit2 -d gamma -w 0; xl sched-credit2 -d gamma -c 201");
  const std::string shown = Run();
  EXPECT_TRUE(init_.done.empty());
  EXPECT_THAT(shown, HasSubstr("xl: the number of vCPUs is a number from 1 to 8, not 0\n"));
  EXPECT_THAT(shown, HasSubstr("xl: the guest has no vCPU 5\n"));
  EXPECT_THAT(shown, HasSubstr("xl: a weight or a cap needs a guest (-d)\n"));
  EXPECT_THAT(shown, HasSubstr("xl: a cap is a number from 0 to 200, not 201\n"));
  EXPECT_THAT(shown, HasSubstr("=1\n"));
}

TEST_F(ShellTest, ShutdownWaits) {
  init_.guests = {{3, {"gamma"}}};
  xenstore_.on_write = [this](const std::string& path) {
    if (path != "/local/domain/3/control/shutdown" || xenstore_.nodes[path].empty()) return;
    EXPECT_EQ(xenstore_.nodes[path], "poweroff");
    xenstore_.Write(path, "");
    init_.Event([](auto event) {
      event.setDomid(3);
      event.setStopped(0);
    });
    init_.guests.clear();
    init_.Event([](auto event) {
      event.setDomid(3);
      event.setDestroyed();
    });
  };
  Command("xl shutdown -ww gamma; echo $?");
  EXPECT_THAT(Run(), HasSubstr("Shutting down domain 3\nWaiting for 1 domains\nDomain 3 has been "
                               "shut down, reason code 0\nDomain 3 has been destroyed\n0\n"));
}

TEST_F(ShellTest, AllAreAskedToReboot) {
  init_.guests = {{3, {"gamma"}}, {4, {"delta"}}};
  xenstore_.on_write = [this](const std::string& path) {
    if (xenstore_.nodes[path] != "reboot") return;
    xenstore_.Write(path, "");
    const uint16_t domid = path == "/local/domain/3/control/shutdown" ? 3 : 4;
    init_.Event([domid](auto event) {
      event.setDomid(domid);
      event.setStopped(1);
    });
  };
  Command("xl reboot -a -w; echo $?");
  Command("xl reboot; echo $?; xl shutdown -a 3; echo $?");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("Rebooting domain 3\nRebooting domain 4\nWaiting for 2 domains\n"
                               "Domain 3 has been shut down, reason code 1\n"
                               "Domain 4 has been shut down, reason code 1\n0\n"));
  EXPECT_THAT(shown, HasSubstr("You must specify -a or a domain id.\n\n1\nYou must"));
}

TEST_F(ShellTest, CtrlCEndsAWait) {
  init_.guests = {{3, {"gamma"}}};
  Command("xl shutdown -w gamma; echo not this");
  Then("Shutting down domain 3\n", [this] { console_.Type("typed ahead\x03"); });
  Command("echo $?");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("^C\npyrene# "));
  EXPECT_THAT(shown, HasSubstr("\n130\n"));
  EXPECT_THAT(shown, Not(HasSubstr("\nnot this")));
  EXPECT_THAT(shown, Not(HasSubstr("typed ahead")));
  EXPECT_TRUE(xenstore_.watches.size() == 1);
}

TEST_F(ShellTest, CtrlCDropsALine) {
  When(kPrompt, "half a li\x03");
  Command("echo $?");
  EXPECT_THAT(Run(), HasSubstr("\n130\n"));
}

TEST_F(ShellTest, Xenstore) {
  Command("xenstore-write /a 1 /a/b 'x\\n'; xenstore-ls; xenstore-ls -f /a; xenstore-read -p /a/b");
  Command("xenstore-list /a; xenstore-rm /a/b; xenstore-rm /a/b; echo $?");
  Command("xenstore-read /nothing; xenstore-ls /nothing; xenstore-chmod -r /a n0 r5; echo $?");
  Command("xenstore-write /odd");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("a = \"1\"\n b = \"x\\n\"\n/a/b = \"x\\n\"\n/a/b: x\\n\n"));
  EXPECT_THAT(shown, HasSubstr("\nb\nxenstore-rm: could not remove path /a/b\n1\n"));
  EXPECT_THAT(shown, HasSubstr("xenstore-read: couldn't read path /nothing\nxenstore-ls: "
                               "xs_directory (/nothing): No such file or directory\n0\n"));
  EXPECT_THAT(shown, HasSubstr("requires at least 2 arguments"));
}

TEST_F(ShellTest, TransactionsAreRepeated) {
  xenstore_.conflicts = 3;
  Command("xenstore-write /a 1 /b 2; echo $?");
  EXPECT_THAT(Run(), HasSubstr("\n0\n"));
  EXPECT_EQ(xenstore_.conflicts, 0u);
}

TEST_F(ShellTest, XenstoreRestartsInTheMiddle) {
  xenstore_.nodes["/a"] = "value";
  xenstore_.before = [this] { xenstore_.deaf = true; };
  Command("xenstore-read /a");
  loop_->AddTimer(runtime::MonotonicNow() + 100 * runtime::kMillisecond,
                  [this] { xenstore_.Restart(); });
  EXPECT_THAT(Run(), HasSubstr("\nvalue\n"));
}

TEST_F(ShellTest, XenstoreRestartsInATransaction) {
  xenstore_.before = [this] { xenstore_.before = [this] { xenstore_.Restart(); }; };
  Command("xenstore-write /a 1 /b 2; echo $?");
  EXPECT_THAT(Run(), HasSubstr("\n0\n"));
  EXPECT_EQ(xenstore_.nodes["/b"], "2");
}

TEST_F(ShellTest, WatchGoesOnAfterARestart) {
  Command("xenstore-watch -n 3 /w; echo done");
  Then("/w\n", [this] { xenstore_.Write("/w/x", "1"); });
  Then("/w/x\n", [this] { xenstore_.Restart(); });
  Then("/w\n", [] {});
  EXPECT_THAT(Run(), HasSubstr("/w\n/w/x\n/w\ndone\n"));
}

TEST_F(ShellTest, WatchEndsWithCtrlC) {
  Command("xenstore-watch /w");
  Then("\n/w\n", [this] { console_.Type("\x03"); });
  EXPECT_THAT(Run(), HasSubstr("/w\n^C\n"));
}

TEST_F(ShellTest, Services) {
  Command("ps; ps -c; kill console");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("console              running        2      1200"));
  EXPECT_THAT(shown, HasSubstr("Memory        rw,copy"));
  EXPECT_THAT(init_.done, ElementsAre("kill console"));
}

TEST_F(ShellTest, FilesAndTheDate) {
  Command("ls; ls -l guest.cfg; cat guest.cfg; ls nothing; cat nothing");
  Command("date 2024-02-29 12:34:56; date 2023-02-29 12:00; date");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("\nguest.cfg\n"));
  EXPECT_THAT(shown, HasSubstr(absl::StrCat(sizeof(kConfig) - 1, "  guest.cfg\n", kConfig)));
  EXPECT_THAT(shown, HasSubstr("ls: nothing: No such file or directory\ncat: nothing: No such"));
  EXPECT_THAT(shown, HasSubstr("Thu Feb 29 12:34:56 UTC 2024\ndate: invalid date"));
  EXPECT_THAT(init_.done, ElementsAre("clock 1709210096000000000"));
}

TEST_F(ShellTest, FilesOfTheDisk) {
  fs_.files = {
      {"/guest.cfg", "on the disk\n"}, {"/b\x1b[2J", "x"}, {"/many/one", "1"}, {"/many/two", "22"}};
  Command("ls; ls /sd/many; ls -l sd/guest.cfg; ls -l /sd; cat /sd/guest.cfg");
  Command("ls /sd/nothing; cat /sd/nothing; echo $?; df");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("\nguest.cfg\nsd/\none\ntwo\n"));
  EXPECT_THAT(shown, HasSubstr("          12  sd/guest.cfg\n"));
  EXPECT_THAT(shown, HasSubstr("  b?[2J\n")) << "names are the disk's";
  EXPECT_THAT(shown, HasSubstr("on the disk\n"));
  EXPECT_THAT(shown, HasSubstr("ls: /sd/nothing: No such file or directory\n"));
  EXPECT_THAT(shown, HasSubstr("cat: /sd/nothing: No such file or directory\n1\n"));
  EXPECT_THAT(shown, HasSubstr("/dev/vda2               1000         300         650  32% /sd\n"));
}

TEST_F(ShellTest, AMountedDeviceIsNotForAGuestToWrite) {
  Command("xl create guest.cfg 'disk=[\"phy:/dev/vda,xvda,w\"]'");
  Command("xl create guest.cfg 'disk=[\"phy:/dev/vda,xvda,r\"]' 'name=\"reader\"'");
  Command("xl create guest.cfg 'disk=[\"phy:/dev/vda2,xvda,w\"]'");
  Command("xl create guest.cfg 'disk=[\"phy:/dev/vdb,xvda,w\"]' 'name=\"other\"'");
  Command("xl create guest.cfg 'disk=[\"phy:/dev/vda1,xvda,w\"]' 'name=\"part\"'");
  const std::string shown = Run();
  EXPECT_THAT(shown,
              HasSubstr("/dev/vda can not be written by a guest: /dev/vda2 is mounted at /sd"));
  EXPECT_THAT(shown,
              HasSubstr("/dev/vda2 can not be written by a guest: /dev/vda2 is mounted at /sd"));
  EXPECT_THAT(init_.done, ElementsAre(HasSubstr("create reader"), HasSubstr("create other"),
                                      HasSubstr("create part")));
}

TEST_F(ShellTest, DisksOfARunningGuest) {
  init_.guests[3] = {"one", false, 1024};
  fs_.files = {{"/root.img", "x"}};
  const std::string front = "/local/domain/3/device/vbd/51712";
  xenstore_.nodes[front.substr(0, front.rfind('/'))] = "";
  xenstore_.nodes[front] = "";
  xenstore_.nodes[front + "/backend"] = "/local/domain/32749/backend/vbd/3/51712";
  xenstore_.nodes[front + "/backend-id"] = "32749";
  xenstore_.nodes[front + "/state"] = "4";
  xenstore_.nodes[front + "/ring-ref"] = "9";
  Command("xl block-attach one file:/sd/root.img,xvdb,w; xl block-attach 3 ram:4M xvdc w");
  Command("xl block-attach one phy:/dev/vda,xvdd,w; xl block-attach one a,qcow2,xvdb");
  Command("xl block-attach nobody ram:4M,xvdb; xl block-attach one");
  Command("xl block-detach one xvdb; xl block-detach --force one 51744; xl block-detach one foo");
  Command("xl block-list one");
  const std::string shown = Run();
  EXPECT_THAT(init_.done,
              ElementsAre("attach to 3 /sd/root.img as 51728", "attach to 3 4M as 51744",
                          "detach from 3 51728", "detach from 3 51744 by force"));
  EXPECT_THAT(shown, HasSubstr("/dev/vda can not be written by a guest: /dev/vda2 is mounted"));
  EXPECT_THAT(shown, HasSubstr("only raw disks are supported"));
  EXPECT_THAT(shown, HasSubstr("Error: Device foo not connected.\n"));
  EXPECT_THAT(shown,
              HasSubstr("Vdev  BE  handle state evt-ch ring-ref BE-path                       \n"
                        "51712 32749 3      4     -1     9        "
                        "/local/domain/32749/backend/vbd/3/51712\n"));
}

TEST_F(ShellTest, LoopDevicesNameFiles) {
  fs_.files = {{"/root.img", "x"}, {"/two.img", "x"}};
  xenstore_.nodes["/tool/loop"] = "";  // a store makes a node's parents
  Command("losetup; losetup /dev/loop3 /sd/root.img; losetup -f --show /sd/two.img; losetup -f");
  Command("losetup; losetup -a; losetup loop3");
  Command("losetup /dev/loop3 /sd/two.img; losetup /dev/loop4 /sd/none; losetup /dev/loop4");
  Command("losetup /dev/sda /sd/two.img; losetup /dev/loop256; losetup /dev/loop4 /guest.cfg");
  Command("xl create guest.cfg 'disk=[\"phy:/dev/loop3,xvda,w\"]'");
  Command("xl create guest.cfg 'disk=[\"phy:/dev/loop9,xvda,w\"]' 'name=\"other\"'");
  Command("losetup -d /dev/loop3; losetup -d /dev/loop3; losetup -D; losetup; echo end");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("/dev/loop0\n/dev/loop1\n"));
  EXPECT_THAT(shown, HasSubstr("NAME         BACK-FILE\n/dev/loop0   /sd/two.img\n"
                               "/dev/loop3   /sd/root.img\n"
                               "/dev/loop0: (/sd/two.img)\n/dev/loop3: (/sd/root.img)\n"
                               "/dev/loop3: (/sd/root.img)\n"));
  EXPECT_THAT(shown, HasSubstr("losetup: /dev/loop3: failed to set up loop device: Device or "
                               "resource busy\nlosetup: /sd/none: failed to set up loop device: No "
                               "such file or directory\nlosetup: /dev/loop4: No such device"));
  EXPECT_THAT(shown, HasSubstr("losetup: /dev/sda: is no loop device (/dev/loop0 to /dev/loop255)\n"
                               "losetup: /dev/loop256: is no loop device"));
  EXPECT_THAT(shown, HasSubstr("losetup: /guest.cfg: only files below /sd can be disks\n"));
  EXPECT_THAT(shown, HasSubstr("/dev/loop9 has no file: losetup /dev/loop9 FILE gives it one"));
  EXPECT_THAT(shown, HasSubstr("losetup: /dev/loop3: detach failed: No such device or address\n"));
  EXPECT_THAT(init_.done, ElementsAre(HasSubstr("disk /dev/loop3 of file /root.img")));
}

TEST_F(ShellTest, AFileIsReadOnWhenFsIsRestarted) {
  fs_.files["/big"] = std::string(100'000, 'x') + "end\n";
  unsigned reads = 0;
  fs_.on_read = [this, &reads] {
    if (++reads % 3 == 0) fs_.Restart();
  };
  Command("cat /sd/big; echo $?");
  const std::string shown = Run();
  EXPECT_EQ(std::count(shown.begin(), shown.end(), 'x'), 100'000);
  EXPECT_THAT(shown, HasSubstr("end\n0\n"));
  EXPECT_GT(reads, 8u);
}

TEST_F(ShellTest, ErrorsOfTheDiskAreTold) {
  fs_.failure = "vda2 has a journal that was not replayed; on a Linux machine: e2fsck -p /dev/vda2";
  Command("ls /sd; cat /sd/x; df; echo $?; xl create /sd/guest.cfg");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("ls: error: vda2 has a journal"));
  EXPECT_THAT(shown, HasSubstr("e2fsck -p /dev/vda2\n1\n"));
  EXPECT_THAT(shown, HasSubstr("/sd/guest.cfg"));
}

TEST_F(ShellTest, InfoAndLog) {
  console_.log = "(PYR) one\n(PYR) \x1b[2Jtwo\n";
  init_.files["cmdline"] = "quiet loglevel=2\n";
  Command("xl info; xl info nr_cpus");
  Command("xl dmesg -c; xl dmesg; echo end");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("free_memory            : 900\n"));
  EXPECT_THAT(shown, HasSubstr("xen_commandline        : quiet loglevel=2\n"));
  EXPECT_THAT(shown, HasSubstr("xend_config_format     : 4\n4\n"));
  EXPECT_THAT(shown, HasSubstr("(PYR) one\n(PYR) ?[2Jtwo\nend\n"));
}

TEST_F(ShellTest, HelpSaysThatThereIsNoDom0) {
  Command("help");
  Command("help xl create; help nonsense; echo $?");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("'xl list' shows guests only."));
  EXPECT_THAT(shown, HasSubstr("Usage: xl create"));
  EXPECT_THAT(shown, HasSubstr("command \"nonsense\" not implemented\n1\n"));
}

TEST_F(ShellTest, TabCompletesNames) {
  init_.guests = {{1, {"alphabet"}}};
  Command("xl pause alph\t");
  Command("xenstore-read /fir\t");
  xenstore_.nodes["/first"] = "found";
  Run();
  EXPECT_THAT(init_.done, Contains("pause 1"));
  EXPECT_THAT(console_.shown, HasSubstr("\nfound\n"));
}

TEST_F(ShellTest, PowerOffWaitsForTheText) {
  When(kPrompt, "poweroff\r");
  loop_->AddTimer(runtime::MonotonicNow() + 200 * runtime::kMillisecond,
                  [this] { console_.Type("\x03"); });
  Run();
  EXPECT_THAT(init_.done, ElementsAre("power off"));
}

}  // namespace
}  // namespace pyrene::xl
