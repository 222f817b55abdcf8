/* Linked into the static binary of a release.
 *
 * A static glibc loads what /etc/nsswitch.conf names from the machine's own glibc, such as
 * systemd's libnss_resolve, and crashes in it unless both are the same version. Files and name
 * servers are built in; they are all that is asked.
 */
int __nss_configure_lookup(const char *database, const char *services);

__attribute__((constructor)) static void only_what_is_built_in(void)
{
	__nss_configure_lookup("hosts", "files dns");
	__nss_configure_lookup("passwd", "files");
}
