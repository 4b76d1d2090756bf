# Sourced by the image of PostgreSQL at its first start: a role and a database for each service.
for name in auth notes; do
    psql --quiet --no-psqlrc --username postgres -v ON_ERROR_STOP=1 -v name="$name" \
        -v password="$(cat "/run/passwords/$name.password")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
