/* A name server that does not answer, for one process: preloaded, it makes the lookup of a `.silent` name take a minute. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real) real = (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    if (host && strstr(host, ".silent")) {
        sleep(60);
        return EAI_AGAIN;
    }
    return real(host, service, hints, found);
}
