// SPDX-License-Identifier: Apache-2.0
#include "services/xl/disk_message.h"

namespace pyrene::xl {

void WriteDisk(const DiskSpec& disk, proto::Disk::Builder message) {
  message.setVdev(disk.vdev.c_str());
  message.setNumber(disk.vdev_number);
  message.setReadOnly(disk.read_only);
  message.setRemovable(disk.removable);
  message.setDirectIoSafe(disk.direct_io_safe);
  message.setTrusted(disk.trusted);
  message.setDiscard(disk.discard.value_or(true));
  message.setTarget(disk.target.c_str());
  if (disk.source == DiskSpec::Source::kRam) {
    message.setRam(disk.ram_bytes);
  } else if (disk.source == DiskSpec::Source::kFile) {
    message.setFile(disk.file.c_str());
  } else {
    message.setPhy();
  }
}

DiskSpec DiskFromMessage(proto::Disk::Reader message) {
  DiskSpec disk;
  disk.vdev = message.getVdev().cStr();
  disk.vdev_number = message.getNumber();
  disk.read_only = message.getReadOnly();
  disk.removable = message.getRemovable();
  disk.direct_io_safe = message.getDirectIoSafe();
  disk.trusted = message.getTrusted();
  if (!message.getDiscard()) disk.discard = false;
  disk.target = message.getTarget().cStr();
  disk.source = message.isRam()    ? DiskSpec::Source::kRam
                : message.isFile() ? DiskSpec::Source::kFile
                                   : DiskSpec::Source::kPhy;
  if (message.isRam()) disk.ram_bytes = message.getRam();
  if (message.isFile()) disk.file = message.getFile().cStr();
  return disk;
}

}  // namespace pyrene::xl
