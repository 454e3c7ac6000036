// Wrong keys of sockets: values that no socket takes, and keys of sockets that
// the forward does not have.

#include "gtest/gtest.h"
#include "tests/proxy/config/invalid_forward.h"

namespace weir {
namespace {

TEST_P(InvalidForward, SaysWhatAndWhere) { SaysSo(); }

INSTANTIATE_TEST_SUITE_P(
    Value, InvalidForward,
    testing::Values(
        Invalid{"1=db:1+nodelay:|yes", "nodelay is on or off"},
        Invalid{"1=db:1+nodelay:|", "nodelay is on or off"},
        Invalid{"1=db:1+keepalive:|999ms",
                "keepalive must be at least 1s; none at all is written "
                "keepalive:off"},
        Invalid{"1=db:1+keepalive:|1.5s", "keepalive counts whole seconds"},
        Invalid{"1=db:1+keepalive:|32768s", "keepalive can be at most 32767s"},
        Invalid{"1=db:1+user-timeout|",
                "user-timeout needs a time: user-timeout:5s"},
        Invalid{"1=db:1+user-timeout:|0",
                "user-timeout must be at least 1ms; the kernel's own rules are "
                "written user-timeout:off"},
        Invalid{"1=db:1+user-timeout:|597h",
                "user-timeout can be at most 596h"},
        Invalid{"1=db:1+user-timeout:|1.5ms",
                "user-timeout counts whole milliseconds"},
        Invalid{"1=db:1+defer:|500ms",
                "defer must be at least 1s; none at all is written defer:off"},
        Invalid{"1=db:1+defer:|1.5s", "defer counts whole seconds"},
        Invalid{"1=db:1+defer:|61m", "defer can be at most 1h"},
        Invalid{"1=db:1+fastopen:|256", "fastopen is on or off"},
        Invalid{"1=db:1+rcvbuf|", "rcvbuf needs a size: rcvbuf:256KiB"},
        Invalid{"1=db:1+sndbuf:|", "sndbuf needs a size: sndbuf:256KiB"},
        Invalid{"1=db:1+rcvbuf:|4095",
                "rcvbuf must be at least 4KiB; 0 leaves it to the kernel"},
        Invalid{"1=db:1+sndbuf:|513MiB", "sndbuf can be at most 512MiB"},
        Invalid{"1=db:1+sndbuf:64|kB",
                "'kB' is not a unit of size: KiB, MiB or GiB"},
        Invalid{"1=db:1+rcvbuf:|off",
                "rcvbuf is a size, such as 256KiB; the kernel's own is written "
                "rcvbuf:0"},
        Invalid{"1=db:1+sndbuf:|auto",
                "sndbuf is a size, such as 256KiB; the kernel's own is written "
                "sndbuf:0"},
        Invalid{"1=db:1+rcvbuf:|-1", "a size cannot be negative"},
        Invalid{"1=db:1+rcvbuf:|.5MiB", "'.5MiB' is not a size, such as 64MiB"},
        Invalid{"1=db:1+splice:|", "splice is auto, on or off"},
        Invalid{"1=db:1+splice:|yes", "splice is auto, on or off"}));

INSTANTIATE_TEST_SUITE_P(
    NoSocketObeys, InvalidForward,
    testing::Values(
        Invalid{"/a=db:1+|defer:5s",
                "defer is of TCP listeners, and this one is a unix socket; "
                "leave it out"},
        Invalid{"unix:@a=db:1+|fastopen",
                "fastopen is of TCP listeners, and this one is a unix socket; "
                "leave it out"},
        Invalid{"/a=/b+|user-timeout:5s",
                "user-timeout is of TCP, and both ends are unix sockets; leave "
                "it out"},
        Invalid{
            "/a=/b+|rcvbuf:64KiB",
            "rcvbuf is of TCP, and both ends are unix sockets; leave it out"},
        Invalid{"/a=/b+|keepalive:5s",
                "keepalive is of TCP, and both ends are unix sockets; leave it "
                "out"},
        Invalid{"/a=/b+|nodelay",
                "nodelay is of TCP, and both ends are unix sockets; leave it "
                "out"}));

}  // namespace
}  // namespace weir
