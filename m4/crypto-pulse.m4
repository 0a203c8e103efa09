# CP_ADD_CFLAG(FLAG, VARIABLE): appends FLAG to VARIABLE if the compiler takes it.
AC_DEFUN([CP_ADD_CFLAG], [
        AS_VAR_PUSHDEF([cache], [cp_cv_cflag_$1])
        AC_CACHE_CHECK([whether $CC accepts $1], [cache], [
                cp_saved_CFLAGS=$CFLAGS
                CFLAGS="$CFLAGS -Werror $1"
                AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
                                  [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
                CFLAGS=$cp_saved_CFLAGS
        ])
        AS_VAR_IF([cache], [yes], [$2="$$2 $1"])
        AS_VAR_POPDEF([cache])
])

# CP_NEED(PREFIX, PKG-CONFIG MODULE, DEBIAN PACKAGE, FEDORA PACKAGE): looks for a library and
# remembers what to install if it is missing; CP_REPORT_MISSING then names all of it at once.
AC_DEFUN([CP_NEED], [
        PKG_CHECK_MODULES([$1], [$2], [], [
                AC_MSG_RESULT([no])
                cp_missing="$cp_missing '$2'"
                cp_missing_debian="$cp_missing_debian $3"
                cp_missing_fedora="$cp_missing_fedora $4"
        ])
])
AC_DEFUN([CP_REPORT_MISSING], [
        AS_IF([test -n "$cp_missing"], [AC_MSG_ERROR([these libraries are missing or too old:$cp_missing
  Debian: apt-get install$cp_missing_debian
  Fedora: dnf install$cp_missing_fedora])])
])

# CP_UNIT_LINES(N): what a line that begins with @sinceN@ or @beforeN@ in the .in file of a unit
# becomes, by the version of systemd: itself, or nothing.
AC_DEFUN([CP_UNIT_LINES], [
        PKG_CHECK_EXISTS([libsystemd >= $1],
                [UNIT_SINCE_$1=; UNIT_BEFORE_$1=@drop@],
                [UNIT_SINCE_$1=@drop@; UNIT_BEFORE_$1=])
        AC_SUBST([UNIT_SINCE_$1])
        AC_SUBST([UNIT_BEFORE_$1])
])
