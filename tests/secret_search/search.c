/* Finds many fixed strings in one pass: a table of the first two bytes decides, for nearly every position, that none
 * begins there. Strings are at least two bytes long. Loaded by search.py. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct search {
  const uint8_t **text;
  const size_t *length;
  int32_t *next;       /* the next string with the same first two bytes, or -1 */
  int32_t head[65536]; /* the first such string, or -1 */
};

static unsigned first_two(const uint8_t *text) { return text[0] | (unsigned)text[1] << 8; }

struct search *search_make(const uint8_t **text, const size_t *length, int32_t count) {
  struct search *made = malloc(sizeof *made);
  int32_t *next = malloc(sizeof(int32_t) * (count ? (size_t)count : 1));
  if (!made || !next) return NULL;
  made->text = text, made->length = length, made->next = next;
  memset(made->head, 0xff, sizeof made->head);
  for (int32_t i = 0; i < count; i++) {
    next[i] = made->head[first_two(text[i])];
    made->head[first_two(text[i])] = i;
  }
  return made;
}

/* Writes pairs (position, number of the string) until `room` pairs are full; returns how many there are. */
size_t search_run(const struct search *made, const uint8_t *data, size_t size, uint64_t *hits, size_t room) {
  size_t found = 0;
  for (size_t at = 0; at + 2 <= size; at++)
    for (int32_t i = made->head[first_two(data + at)]; i >= 0; i = made->next[i])
      if (made->length[i] <= size - at && !memcmp(data + at, made->text[i], made->length[i])) {
        if (found < room) hits[2 * found] = at, hits[2 * found + 1] = (uint64_t)i;
        found++;
      }
  return found;
}
