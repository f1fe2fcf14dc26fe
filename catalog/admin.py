from django.contrib import admin

from catalog.models import Package, Puja


class PackageInline(admin.TabularInline):
    model = Package
    extra = 0


@admin.register(Puja)
class PujaAdmin(admin.ModelAdmin):
    list_display = ("name", "duration_minutes", "capacity", "order", "is_active")
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (PackageInline,)
