#include "ipc/connect_brake.h"

#include <fcntl.h>
#include <sys/epoll.h>

namespace tcpeek::ipc {

ConnectBrake::ConnectBrake(int listener) noexcept : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) return;
  int number = listener;
  while (registrations_ < kRegistrations) {
    // Ever higher numbers: a registration keeps the one it was made with after that is closed.
    const UniqueFd copy(::fcntl(listener, F_DUPFD_CLOEXEC, number + 1));
    if (!copy) return;
    number = copy.get();
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, number, &event) != 0) return;
    ++registrations_;
  }
}

}  // namespace tcpeek::ipc
