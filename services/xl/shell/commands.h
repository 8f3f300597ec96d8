// SPDX-License-Identifier: Apache-2.0
//
// What the commands of command_table.h do.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/xl/options.h"
#include "services/xl/shell/session.h"

namespace pyrene::xl {

// `options` were checked against the command's description. The exit status.
using CommandFunction = int (*)(Session& session, const ParsedOptions& options);

// Null: unknown.
CommandFunction FindXlFunction(absl::string_view name);
CommandFunction FindShellFunction(absl::string_view name);

// Runs one command, its words as ExpandCommand made them, at least one. The exit status.
int RunCommand(Session& session, absl::Span<const std::string> words);

// xl_create.cc, xl_list.cc, xl_info.cc, xl_control.cc, xl_schedule.cc, xl_shutdown.cc
int XlCreate(Session& session, const ParsedOptions& options);
int XlList(Session& session, const ParsedOptions& options);
int XlVcpuList(Session& session, const ParsedOptions& options);
int XlVmList(Session& session, const ParsedOptions& options);
int XlUptime(Session& session, const ParsedOptions& options);
int XlDomid(Session& session, const ParsedOptions& options);
int XlDomname(Session& session, const ParsedOptions& options);
int XlInfo(Session& session, const ParsedOptions& options);
int XlDmesg(Session& session, const ParsedOptions& options);
int XlConsole(Session& session, const ParsedOptions& options);
int XlDestroy(Session& session, const ParsedOptions& options);
int XlPause(Session& session, const ParsedOptions& options);
int XlUnpause(Session& session, const ParsedOptions& options);
int XlRename(Session& session, const ParsedOptions& options);
int XlVcpuSet(Session& session, const ParsedOptions& options);
int XlVcpuPin(Session& session, const ParsedOptions& options);
int XlSchedCredit2(Session& session, const ParsedOptions& options);
int XlShutdown(Session& session, const ParsedOptions& options);
int XlReboot(Session& session, const ParsedOptions& options);
int XlHelpCommand(Session& session, const ParsedOptions& options);

// xenstore_commands.cc, xenstore_changes.cc
int XenstoreLs(Session& session, const ParsedOptions& options);
int XenstoreList(Session& session, const ParsedOptions& options);
int XenstoreRead(Session& session, const ParsedOptions& options);
int XenstoreWatch(Session& session, const ParsedOptions& options);
int XenstoreWrite(Session& session, const ParsedOptions& options);
int XenstoreRm(Session& session, const ParsedOptions& options);
int XenstoreChmod(Session& session, const ParsedOptions& options);

// system_commands.cc, file_commands.cc, file_changes.cc
int Ps(Session& session, const ParsedOptions& options);
int Kill(Session& session, const ParsedOptions& options);
int Repair(Session& session, const ParsedOptions& options);
int Date(Session& session, const ParsedOptions& options);
int Reboot(Session& session, const ParsedOptions& options);
int Poweroff(Session& session, const ParsedOptions& options);
int Ls(Session& session, const ParsedOptions& options);
int Cat(Session& session, const ParsedOptions& options);
int Cp(Session& session, const ParsedOptions& options);
int Mv(Session& session, const ParsedOptions& options);
int Rm(Session& session, const ParsedOptions& options);
int Mkdir(Session& session, const ParsedOptions& options);
int Rmdir(Session& session, const ParsedOptions& options);
int Fallocate(Session& session, const ParsedOptions& options);
// Writes what a file that is to be a disk has not: its holes. Only what concerns the writing is an
// error.
absl::Status FillHoles(Session& session, const DiskSpec& disk);
int XlBlockAttach(Session& session, const ParsedOptions& options);
int XlBlockDetach(Session& session, const ParsedOptions& options);
int XlBlockList(Session& session, const ParsedOptions& options);
// Finds the files of loop devices and fills the holes of all files, and refuses what is mounted, of
// disks that PrepareDisk has let pass.
absl::Status ResolveDisks(Session& session, absl::Span<DiskSpec> disks);
int Df(Session& session, const ParsedOptions& options);
int Losetup(Session& session, const ParsedOptions& options);
int Echo(Session& session, const ParsedOptions& options);
int Help(Session& session, const ParsedOptions& options);

// Waits until a guest is gone; Cancelled after Ctrl-C.
absl::Status WaitUntilGone(Session& session, uint32_t domid);

}  // namespace pyrene::xl
