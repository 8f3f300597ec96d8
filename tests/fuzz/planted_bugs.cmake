# SPDX-License-Identifier: Apache-2.0
# A bug for each target, which test fuzz/TARGET.planted expects it to find: a check left out, or what one forgets to do.

# A partition that shares sectors with another.
pyrene_planted_bug(block_partitions platform/block/partition_table.cc "partition.first < furthest->first + furthest->sectors" "false")
# An answer to a request that was answered already, or never sent.
pyrene_planted_bug(block_client platform/block/block_client.cc "used_ & ~unsent_" "~uint64_t{0}")
# A request for more than the disk takes at once.
pyrene_planted_bug(block_server platform/block/block_server.cc "request.count > most || " "")
# The end of a log that went round its memory.
pyrene_planted_bug(console_journal services/console/log_store.cc "at = state_.written % kLogBytes" "at = state_.written")
# More than a ring holds, by an index that changed since it was looked at.
pyrene_planted_bug(console_ring services/console/guest_console.cc "std::min(end - consumer, filled)" "end - consumer")
# Text that fills what is kept for a guest that goes away.
pyrene_planted_bug(console_vmm services/console/guest_console.cc "output_.used() + kMaxTextBytes <=" "output_.used() <=")
# The line for a guest that is not there.
pyrene_planted_bug(console_xl services/console/multiplexer.cc "domid == 0 || FindGuest(domid) == nullptr" "domid == 0")
# A read that goes beyond its place in the pool, into what is another's.
pyrene_planted_bug(fs_client services/fs/fs_server.cc "{request.getPlace() + done, bytes}" "{done, bytes}")
# A file whose blocks lie behind the file system's end.
pyrene_planted_bug(fs_volume services/fs/volume.cc "run.physical >= end || run.blocks > end - run.physical" "false")
# A ping's number, cut.
pyrene_planted_bug(init_client services/init/client/supervision_client.cc "const uint64_t number = event.getPing();"
  "const uint32_t number = static_cast<uint32_t>(event.getPing());")
# A partition that is longer than its disk.
pyrene_planted_bug(init_file_loader services/init/file_loader.cc
  "!block::LiesOn(next, map.device_sectors) || " "")
# A guest without a CPU.
pyrene_planted_bug(init_guest services/init/guest_check.cc "config.getVcpus() == 0 || " "")
# A channel's bit that is init's.
pyrene_planted_bug(init_manifest services/init/manifest_check.cc "Number(\"bit\", bit, 0, kFirstInitBit - 1)" "Number(\"bit\", bit, 0, 255)")
# A service that has all the connections that it may have.
pyrene_planted_bug(init_supervision services/init/name_service.cc "held >= kMaxConnections" "false")
# The VMM of a guest that could not be made.
pyrene_planted_bug(init_toolstack services/init/guests.cc "if (guest->vmm != nullptr) supervisor_.Remove(*guest->vmm);" "")
# What a VMM was asked is answered as often as it says.
pyrene_planted_bug(init_vmm services/init/guest_vmm.cc "  guest.controls.erase(control);\n" "")
# A record longer than the journal.
pyrene_planted_bug(journal_log services/journal/log.cc "words == 0 || words > (valid_ - offset) / kWord - 1" "words == 0")
# A segment that has more in the file than in memory.
pyrene_planted_bug(kernel_boot kernel/boot/elf.cc "program.memory_bytes < program.file_bytes" "false")
# XSA-155: the number of segments is taken from the ring again when it was checked.
pyrene_planted_bug(vmm_blkif services/vmm/blkif/disk.cc "  Taken taken = Taken::kAnswered;"
  "  Request again;\n  ring.Peek(&again);\n  if (request.direct.operation == kWrite) record.segments = again.direct.segments;\n  Taken taken = Taken::kAnswered;")
# Console has taken what it was not sent.
pyrene_planted_bug(vmm_console services/vmm/service/console_client.cc "while (sent_ > 0 && " "while (!messages_.empty() && ")
# The handle of a map that no table has.
pyrene_planted_bug(vmm_exit services/vmm/grant_map.cc "op->handle >= max_maps_ || " "")
# A RAM disk larger than what the kernel left.
pyrene_planted_bug(vmm_image services/vmm/image.cc "modules > ram_end - kernel_end" "false")
# The event of a watch that is not there.
pyrene_planted_bug(vmm_xenstore services/vmm/service/store_client.cc " || index >= watches_.size()" "")
# The ring of a connection that is not there.
pyrene_planted_bug(xenstore_journal services/xenstore/journal/restore.cc
  "!server_->connections().contains(id) || " "")
# XSA-440: the accounts after the end of a transaction.
pyrene_planted_bug(xenstore_toolstack services/xenstore/requests_transaction.cc
  "  account.memory -= ended.mapped().charged;\n  --account.transactions;" "  --account.transactions;")
# XSA-115: a VMM removes what is not its guest's.
pyrene_planted_bug(xenstore_vmm services/xenstore/service/vmm_authority.cc
  "in_transaction) {\n  if (!Owns(path)) return Error::kAccess;" "in_transaction) {")
# XSA-330: memory of transactions lost at a reset.
pyrene_planted_bug(xenstore_wire services/xenstore/requests_transaction.cc
  "    account.memory -= transaction.charged;\n    --account.transactions;" "    --account.transactions;")
# Text that was not sent yet is taken for shown.
pyrene_planted_bug(xl_console services/xl/shell/terminal.cc "queue_.front().id != 0 && " "")
# A disk that ends within a sector.
pyrene_planted_bug(xl_disk_spec services/xl/disk_spec.cc "(size << shift) % 512 != 0" "false")
# A part of a file that is longer than what was asked for.
pyrene_planted_bug(xl_fs services/xl/shell/fs_client.cc " || reply.getData().getBytes() > kPartBytes" "")
# More CPUs than the guest may have.
pyrene_planted_bug(xl_guest_config services/xl/guest_config.cc "if (max_vcpus < vcpus)" "if (false)")
# A creation that was given up is undone as often as init says that it was done.
pyrene_planted_bug(xl_init services/xl/shell/toolstack.cc "    given_up_.erase(given_up);\n" "")
# A network interface with a group's address.
pyrene_planted_bug(xl_vif_spec services/xl/vif_spec.cc "(mac[0] & 1) != 0" "false")
# An event when nothing is watched.
pyrene_planted_bug(xl_xenstore services/xl/shell/xenstore_client.cc "!watches_.empty() && " "")
