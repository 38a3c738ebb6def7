# SPDX-License-Identifier: MIT
"""Takes Linux bzImages apart and packs their payload anew.

Fields by Documentation/x86/boot.rst of Linux: payload_offset (0x248) counts from the start of the
protected-mode code, payload_length (0x24c) includes the four bytes of unpacked size that all formats
but gzip carry behind their data.
"""
import gzip
import lzma
import struct
import subprocess

MAGICS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd",
          b"\x02\x21\x4c\x18": "lz4", b"\x7fELF": "elf"}
# zstd as Linux packs it: from a pipe, window of 128 MiB
PACKERS = {"lz4": ["lz4", "-l", "-9", "-c", "-q"], "zstd": ["zstd", "-3", "--long=27", "-c", "-q", "-"]}
FORMATS = ("gzip", "xz", "zstd", "lz4", "elf")


class Error(Exception):
    pass


def bounds(image):
    """Start and length of the payload."""
    if image[0x202:0x206] != b"HdrS" and image[0x1FE:0x200] != b"\x55\xaa":
        raise Error("no bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    return (setup_sectors + 1) * 512 + offset, length


def payload_format(payload):
    for magic, name in MAGICS.items():
        if payload.startswith(magic):
            return name
    raise Error("unknown payload: %s" % payload[:6].hex())


def unpack(image):
    """The ELF kernel in a bzImage with an xz or gzip payload."""
    start, length = bounds(image)
    payload = image[start:start + length]
    name = payload_format(payload)
    if name == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
    if name == "gzip":
        return gzip.decompress(payload)
    if name == "elf":
        return payload
    raise Error("payload is %s, only xz and gzip are unpacked here" % name)


def pack(kernel, name):
    size = struct.pack("<I", len(kernel))
    if name == "elf":
        return kernel
    if name == "gzip":
        return gzip.compress(kernel, 6, mtime=0)
    if name == "xz":
        # as scripts/xz_wrap.sh of Linux: BCJ filter, CRC32
        filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 32 << 20}]
        return lzma.compress(kernel, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters) + size
    if name in PACKERS:
        run = subprocess.run(PACKERS[name], input=kernel, stdout=subprocess.PIPE, check=True)
        return run.stdout + size
    raise Error("no format '%s', there are %s" % (name, ", ".join(FORMATS)))


def repack(image, name):
    """The image with its payload in another format."""
    return with_payload(image, pack(unpack(image), name))


def with_payload(image, payload):
    start, length = bounds(image)
    tail = image[start + length:]
    out = bytearray(image[:start] + payload + tail)
    struct.pack_into("<I", out, 0x24C, len(payload))
    struct.pack_into("<I", out, 0x1F4, -(-(len(out) - (out[0x1F1] + 1) * 512) // 16))  # syssize
    return bytes(out)
