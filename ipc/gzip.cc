#include "ipc/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>

namespace tcpeek::ipc {
namespace {

constexpr int kGzipWindow = MAX_WBITS + 16;  // with gzip's header and trailer, as zlib.h has it
constexpr int kUsualMemory = 8;

class Deflater {
 public:
  Deflater() {
    if (::deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kUsualMemory,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();
    }
  }
  ~Deflater() { ::deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  [[nodiscard]] z_stream& stream() noexcept { return stream_; }

 private:
  z_stream stream_{};
};

}  // namespace

std::string gzip(std::string_view text) {
  Deflater deflater;
  z_stream& stream = deflater.stream();
  std::string compressed;
  std::array<char, 65536> piece;  // NOLINT(*-member-init): deflate() fills what is taken
  // zlib.h: the input is never written to.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  std::size_t left = text.size();
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      stream.avail_in =
          static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max()));
      left -= stream.avail_in;
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    status = ::deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
    compressed.append(piece.data(), piece.size() - stream.avail_out);
  }
  return compressed;
}

}  // namespace tcpeek::ipc
