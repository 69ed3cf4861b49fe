// From a bit for each block of a tile that a splat reaches, to a list of splats for each block.
#pragma once
#include "vec.h"

namespace chorus {
namespace CHORUS_ISA {

#if defined(__SSE4_2__) && !defined(__AVX512F__)
// For every set of 8 things, a bit each, their indices side by side.
struct Packed { alignas(16) uint16_t of[256][8]; };
constexpr Packed packed_indices() {
  Packed p = {};
  for (int set = 0; set < 256; ++set)
    for (int i = 0, n = 0; i < 8; ++i)
      if (set >> i & 1) p.of[set][n++] = (uint16_t)i;
  return p;
}
static constexpr Packed PACKED = packed_indices();
#endif

// For every block the indices i < n, ascending, whose mask reached[i] has the block's bit. A list may be written up to
// 16 places past its end.
template <class Index>
static inline void list_blocks(const uint16_t* reached, int n, int* count, Index* const* list) {
#if defined(__AVX512F__)
  __m512i index = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  for (int b = 0; b < 16; ++b) count[b] = 0;
  for (int i = 0; i < n; i += 16, index = _mm512_add_epi32(index, _mm512_set1_epi32(16))) {
    const __mmask16 real = n - i < 16 ? (__mmask16)((1u << (n - i)) - 1u) : (__mmask16)0xFFFF;
    const __m512i masks = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(real, reached + i));
    for (int b = 0; b < 16; ++b) {
      const __mmask16 here = _mm512_test_epi32_mask(masks, _mm512_set1_epi32(1 << b));
      const __m512i packed = _mm512_maskz_compress_epi32(here, index);
      if (sizeof(Index) == 2) _mm256_storeu_si256((__m256i*)(list[b] + count[b]), _mm512_cvtepi32_epi16(packed));
      else _mm512_storeu_si512(list[b] + count[b], packed);
      count[b] += __builtin_popcount(here);
    }
  }
#elif defined(__SSE4_2__)
  for (int b = 0; b < 16; ++b) count[b] = 0;
  for (int i = 0; i < n; i += 8) {
    uint16_t here[8] = {};
    memcpy(here, reached + i, n - i < 8 ? (size_t)(n - i) * 2 : 16);
    __m128i masks;
    memcpy(&masks, here, 16);
    for (int b = 15; b >= 0; --b, masks = _mm_slli_epi16(masks, 1)) {  // block b's bit is every mask's highest
      const int set = _mm_movemask_epi8(_mm_packs_epi16(masks, _mm_setzero_si128()));
      const __m128i packed = _mm_load_si128((const __m128i*)PACKED.of[set]);
      __m128i* to = (__m128i*)(list[b] + count[b]);
      if (sizeof(Index) == 2) {
        _mm_storeu_si128(to, _mm_add_epi16(packed, _mm_set1_epi16((short)i)));
      } else {
        _mm_storeu_si128(to, _mm_add_epi32(_mm_cvtepu16_epi32(packed), _mm_set1_epi32(i)));
        _mm_storeu_si128(to + 1, _mm_add_epi32(_mm_cvtepu16_epi32(_mm_srli_si128(packed, 8)), _mm_set1_epi32(i)));
      }
      count[b] += __builtin_popcount(set);
    }
  }
#else
  for (int b = 0; b < 16; ++b) count[b] = 0;
  for (int i = 0; i < n; ++i)
    for (uint32_t r = reached[i]; r; r &= r - 1) {
      const int b = __builtin_ctz(r);
      list[b][count[b]++] = (Index)i;
    }
#endif
}
constexpr int SLACK = 16;  // those places

}  // namespace CHORUS_ISA
}  // namespace chorus
