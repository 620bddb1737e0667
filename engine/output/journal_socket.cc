#include "engine/output/journal_socket.h"

#include <sys/socket.h>

#include <algorithm>

namespace tcpeek::engine {

JournalSocket JournalSocket::open(std::string_view path) {
  JournalSocket opened;
  if (path.size() >= sizeof opened.journal_.sun_path) return opened;
  opened.journal_.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), opened.journal_.sun_path);
  opened.socket_ = ring::Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return opened;
}

bool JournalSocket::send(int severity, std::string_view text, const JournalEntry& entry) const {
  if (!is_open()) return false;
  const std::string datagram = journal_datagram(severity, text, entry);
  const auto sent =
      ::sendto(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&journal_), sizeof journal_);
  return sent == static_cast<ssize_t>(datagram.size());
}

}  // namespace tcpeek::engine
