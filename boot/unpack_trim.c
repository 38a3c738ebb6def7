/* SPDX-License-Identifier: MIT */
/*
 * Keeps libzstd's decoders of the formats before zstd 0.8 (90 KB of code) out of the image: the
 * archive's members are linked only for names that nobody else defines. They cannot be reached,
 * because unpack() hands over frames of the current format alone.
 */
#include <kr/log.h>

#define ABSENT(name)                                   \
    void name(void);                                   \
    void name(void)                                    \
    {                                                  \
        panic("zstd: " #name " is not in this image"); \
    }

#define ABSENT_VERSION(v)                       \
    ABSENT(ZBUFF##v##_createDCtx)               \
    ABSENT(ZBUFF##v##_decompressContinue)       \
    ABSENT(ZBUFF##v##_decompressInitDictionary) \
    ABSENT(ZBUFF##v##_freeDCtx)                 \
    ABSENT(ZSTD##v##_createDCtx)                \
    ABSENT(ZSTD##v##_decompress_usingDict)      \
    ABSENT(ZSTD##v##_findFrameSizeInfoLegacy)   \
    ABSENT(ZSTD##v##_freeDCtx)                  \
    ABSENT(ZSTD##v##_getFrameParams)

ABSENT_VERSION(v05)
ABSENT_VERSION(v06)
ABSENT_VERSION(v07)
