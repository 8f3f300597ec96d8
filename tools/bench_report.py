# SPDX-License-Identifier: Apache-2.0
"""The results of `pyrene bench` as tables."""

CONDITIONS = """\
QEMU's virt, GICv2, 1 CPU, 2 GiB, `-icount shift=0,sleep=off`; the guest has 1 vCPU and 128 MiB. Unit: instructions of all exception
levels. Xen 4.17 (a): with the guest that set the goals; (b): with `tests/bench/guest` itself. ratio: Pyrene to the smaller of them.
"""
RASPI = "QEMU's raspi4b with its 4 CPUs, `-icount shift=0,sleep=off`: for information, not comparable. Unit: instructions.\n"


def _figure(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _table(head, rows):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells):
        return "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))) + " |\n"

    rule = "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(widths)) + "|\n"
    return line(head) + rule + "".join(map(line, rows))


def _operations(results, reference):
    rows = []
    for row in reference["rows"]:
        value = results["rows"].get(row["name"])
        if value is None:
            continue
        xen = [x for x in (row["xen"], row["xen_same_guest"]) if x is not None]
        rows.append([f"`{row['name']}`: {row['what']}", _figure(row["xen"]), _figure(row["xen_same_guest"]), _figure(value),
                     _figure(row["goal"]), f"{value / min(xen):.2f}" if xen else "-"])
    for part in ("services", "store", "blackouts"):
        for row in reference[part]:
            value = results[part].get(row["name"])
            if value is not None:
                rows.append([f"`{row['name']}`: {row['what']}", "-", "-", _figure(value), _figure(row["goal"]), "-"])
    return _table(["operation", "Xen 4.17 (a)", "Xen 4.17 (b)", "Pyrene", "goal", "ratio"], rows) if rows else ""


def _two_cpus(results, reference):
    """Medians of paths between CPUs; interrupt latency."""
    text = ""
    rows = [[f"`{row['name']}`: {row['what']}", _figure(row["xen"]), *(str(found[key]) for key in ("median", "sender", "receiver"))]
            for row in reference["between_cpus"] if (found := results["between_cpus"].get(row["name"])) is not None]
    if rows:
        text += "\n" + _table(["between two CPUs (virt with 2 CPUs)", "Xen 4.17", "Pyrene", "of it sender", "of it receiver"], rows)
    rows = [[f"`{row['name']}`: {row['what']}", _figure(row["xen"]), *(str(found[key]) for key in ("samples", "median", "worst"))]
            for row in reference["latency"] if (found := results["latency"].get(row["name"])) is not None]
    if rows:
        text += "\n" + _table(["from a device's interrupt to its driver, while on that CPU", "Xen 4.17", "samples", "median", "worst"], rows)
    return text


LINUX = {"disk": "a guest's RAM disk (448 MiB guest, machine of 3 GiB)", "file": "the same guest, a file of virt's virtio disk with ext4",
         "linux_store": "the same guest, XenStore by its /dev/xen/xenbus"}


def _linux(results, reference):
    """A Debian guest's disks and its XenStore."""
    text = ""
    for part, title in LINUX.items():
        rows = [[f"`{row['name']}`: {row['what']}", _figure(row["xen"]), _figure(round(value)), _figure(row["required"]), _figure(row["goal"]),
                 f"{value / row['xen']:.2f}" if row["xen"] else "-"]
                for row in reference[part] if (value := results[part].get(row["name"])) is not None]
        if rows:
            text += "\n" + _table([title, "Xen 4.17", "Pyrene", "at most", "goal", "ratio"], rows)
    return text


def _boot(results, reference):
    rows = []
    parts = results["boot"].get("parts", {})
    for row in reference["boot"]["rows"]:
        value = results["boot"].get(row["name"])
        if value is None:
            continue
        rows.append([row["what"], f"{row['xen']:.1f}", f"{value:.1f}", *(f"{p:.1f}" for p in parts[row["name"]]),
                     _figure(row["required"]), _figure(row["goal"]), f"{value / row['xen']:.2f}"])
    if not rows:
        return ""
    head = ["executed instructions, millions", "Xen 4.17", "Pyrene", "EL2 kernel", "guest's kernel", "user code", "at most", "goal",
            "ratio"]
    return "\n" + _table(head, rows) + "\nThe guest has no disk and no network interface here; with Xen it has one of each.\n"


def _sizes(results):
    sizes = results["sizes"]
    if not sizes:
        return ""
    rows = [["kernel, code lines", f"{sizes['kernel_lines']}", "6000"],
            ["kernel, text and read-only data, bytes", f"{sizes['kernel_text_bytes']}", "65536"],
            ["kernel and services, pages of RAM without the boot bundle (goal: 4096)", f"{sizes['memory_pages']}", "8192"]]
    rows += [[f"of it {name}", f"{pages}", "-"] for name, pages in sizes["services_pages"].items()]
    return "\n" + _table(["size", "Pyrene", "at most"], rows)


def markdown(results, reference):
    head = CONDITIONS if results["machine"] == "virt" else RASPI
    return f"# Cost\n\n{head}\n" + "".join(
        part(results, reference) for part in (_operations, _linux, _two_cpus, _boot)) + _sizes(results)
