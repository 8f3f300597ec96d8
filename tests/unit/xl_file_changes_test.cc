// SPDX-License-Identifier: Apache-2.0
//
// Commands that change files of the disk.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/xl_shell_fixture.h"

namespace pyrene::xl {
namespace {

using testing::HasSubstr;

TEST_F(ShellTest, FilesAreChanged) {
  init_.files["big"] = std::string(10'000, 'b');
  fs_.files = {{"/old", "x"}, {"/image", "i"}};
  Command("cp big /sd/new; cp /sd/old /sd/copy; cp none /sd/x; cp big /x; cp /sd/old sd/old");
  Command("mv /sd/copy /sd/moved; mv /sd/none /sd/x; rm /sd/old /sd/none /x; rm");
  Command("mkdir /sd/new; fallocate -l 3K /sd/zeros; fallocate -l 1M /sd/zeros; fallocate -l x y");
  Command("xl create guest.cfg 'disk=[\"file:/sd/image,xvda,w\"]'; echo end");
  const std::string shown = Run();
  EXPECT_EQ(fs_.files["/new"], std::string(10'000, 'b'));
  EXPECT_EQ(fs_.files["/moved"], "x");
  EXPECT_EQ(fs_.files["/zeros"], std::string(3072, '\0'));
  EXPECT_EQ(fs_.files.count("/old") + fs_.files.count("/copy"), 0u);
  EXPECT_EQ(fs_.fills, 1u);
  for (const char* text :
       {"cp: cannot stat 'none': No such file or directory\n",
        "cp: cannot create regular file '/x': Read-only file system\n",
        "cp: '/sd/old' and 'sd/old' are the same file\n",
        "mv: cannot stat '/sd/none': No such file or directory\n",
        "rm: cannot remove '/sd/none': No such file or directory\n",
        "rm: cannot remove '/x': Read-only file system\n",
        "mkdir: cannot create directory '/sd/new': File exists\n",
        "fallocate: cannot make '/sd/zeros': File exists\n", "fallocate: invalid length"})
    EXPECT_THAT(shown, HasSubstr(text));
}

TEST_F(ShellTest, AFileThatIsAGuestsDiskStays) {
  fs_.files = {{"/image", "i"}, {"/link", "i"}, {"/other", "o"}};
  fs_.numbers = {{"/image", 5}, {"/link", 5}};
  Command("xl create guest.cfg 'disk=[\"file:/sd/image,xvda,w\"]'");
  Command("rm /sd/image /sd/link; cp /sd/other sd/link; mv /sd/other /sd/image; mv sd/link sd/x");
  const std::string shown = Run();
  for (const char* text :
       {"rm: cannot remove '/sd/image': it is the disk xvda of guest alpine\n",
        "rm: cannot remove '/sd/link': it is the disk xvda of guest alpine\n",
        "cp: cannot create regular file 'sd/link': it is the disk",
        "mv: cannot move '/sd/other': it is the disk", "mv: cannot move 'sd/link': it is the disk"})
    EXPECT_THAT(shown, HasSubstr(text));
  EXPECT_EQ(fs_.files.size(), 3u);
  EXPECT_EQ(fs_.files["/other"], "o");
}

TEST_F(ShellTest, CtrlCLeavesNoHalfFile) {
  unsigned appended = 0;
  fs_.on_append = [&] {
    if (++appended == 3) console_.Type("\x03");
  };
  Command("fallocate -l 100M /sd/zeros");
  Command("echo end $?");
  EXPECT_THAT(Run(), HasSubstr("end 1"));
  EXPECT_GE(appended, 3u);
  EXPECT_TRUE(fs_.files.empty());
}

TEST_F(ShellTest, AForeignJournalIsReplayedWhenNoGuestMayHaveIt) {
  init_.guests[1] = {"alpine"};
  init_.guests[1].disks.resize(1);
  init_.guests[1].disks[0].source = DiskSpec::Source::kPhy;
  init_.guests[1].disks[0].target = "/dev/vdb";
  fs_.foreign = true;
  Command("cat /sd/x; xl destroy alpine; cat /sd/x; echo end");
  const std::string shown = Run();
  EXPECT_THAT(shown, HasSubstr("vda2 has a journal; not here: guest alpine writes to /dev/vdb"));
  EXPECT_THAT(shown, HasSubstr("cat: /sd/x: No such file or directory"));
  EXPECT_EQ(fs_.replays, 1u);
}

TEST_F(ShellTest, AGuestsOwnJournalIsNotReplayedForItsCreation) {
  fs_.foreign = true;
  Command("xl create guest.cfg 'disk=[\"phy:/dev/vda,xvda,w\"]'");
  Run();
  EXPECT_EQ(init_.done.size(), 1u);
  EXPECT_EQ(fs_.replays, 0u);
}

}  // namespace
}  // namespace pyrene::xl
