// This build's entry in the table of builds.
#include "ops.h"

namespace chorus {
#define CHORUS_JOIN2(a, b) a##b
#define CHORUS_JOIN(a, b) CHORUS_JOIN2(a, b)
#define CHORUS_TEXT2(a) #a
#define CHORUS_TEXT(a) CHORUS_TEXT2(a)

extern const Ops CHORUS_JOIN(ops_, CHORUS_ISA);
const Ops CHORUS_JOIN(ops_, CHORUS_ISA) = {
    CHORUS_TEXT(CHORUS_ISA),
#define CHORUS_ENTRY(ret, name, args) CHORUS_ISA::name,
    CHORUS_OPS(CHORUS_ENTRY)
#undef CHORUS_ENTRY
};
}  // namespace chorus
